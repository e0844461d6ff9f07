// SPDX-License-Identifier: GPL-2.0
/*
 * Attaches against faults: is a device that does not answer invalidations
 * fenced, and does it stay so, whatever it is attached to meanwhile?
 *
 * Four threads on as many CPUs, with as little order between them as possible:
 *
 * - one takes the target from domain to domain: two paging ones, identity,
 *   blocked, and between any two of them its default domain;
 * - one for each paging domain maps pages, has the target fill its ATC with
 *   them, and unmaps them;
 * - one has the target stop answering, and resets it later: mostly after it was
 *   seen fenced, sometimes whatever is going on.
 *
 * How is a fenced target known, without asking the kernel? When an unmap has
 * returned and the target's ATC still has the translation, the target did not
 * answer. So it has to be fenced by then, until it is reset. Resets are kept
 * out from before that look to the end of what follows, a window, in which
 *
 * - nothing that the target writes with translated addresses may land: neither
 *   through its ATC, nor from the hammer, which needs no ATC (it goes by an
 *   address that it was given before);
 * - STE.EATS is 0 whenever the module looks at it in memory, which it does as
 *   fast as it can;
 * - the pages taken away keep their new content.
 *
 * All the time: after each attach an untranslated write lands where the new
 * domain says, and nowhere in blocked, so that no word of an STE gets lost.
 *
 * That hammer and look-out see something is shown by the same means, while the
 * target is healthy.
 *
 * What this is not: a search for all interleavings. KUnit and the models do
 * that; here are the real driver, locks and CPUs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "ats_common.h"

#define TARGET		1	/* endpoints 0 and 2 keep it company */
#define NR_PAGING	2
#define MAPPER_BUFS	2
#define MAPPER_IOVA(n)	(0x40000000UL + (n) * 0x10000000UL)
#define MAPPER_SLOTS	256	/* IOVAs in use by turns */

#define WATCH_US	2000	/* how long a window is looked at */
#define WINDOW_MS	30	/* how long to wait for one */
#define MAX_TIMEOUT_US	10000	/* of the SMMU: each fault takes it, or more */
#define THREADS		4	/* a CPU each */
/* The host may stop a guest, but a storm that makes no progress is over */
#define STALLED_S	60

struct storm {
	struct ats_scenario s;
	long attaches;
	long faults;
};

static const struct storm storms[] = {
	{ { "storm", "1000 attaches against 100 faults" }, 1000, 100 },
	{ { "storm-long", "10000 attaches against 1000 faults",
	    "takes minutes" }, 10000, 1000 },
};

static const struct storm *sc;
static long seed = 1;

static __u32 paging[NR_PAGING], identity, blocked;
static __u32 kept[NR_PAGING], nothing, scratch;
static __u64 scratch_pa;

/* Commands of an endpoint have several registers */
static pthread_mutex_t cmd_lock = PTHREAD_MUTEX_INITIALIZER;
/*
 * Held for reading: the target is not reset. Writers first, or two mappers
 * would never let one in.
 */
static pthread_rwlock_t reset_lock =
	PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

static atomic_bool over;
static atomic_long attaches, busy, faults, windows, resets, early, flushes;
static atomic_long samples, eats_seen, landed, refused, wrong, damaged;
static atomic_long progress_s;
/* Mappers that have a page in the ATC right now */
static atomic_int filled;

/* What each thread draws its random numbers from */
struct luck {
	__u64 state;
};

/* Numerical Recipes' generator; the upper bits are good enough */
static unsigned int draw(struct luck *l, unsigned int below)
{
	l->state = l->state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (l->state >> 33) % below;
}

static long now_s(void)
{
	return now_ns() / 1000000000;
}

static bool done(void)
{
	return atomic_load(&attaches) >= sc->attaches &&
	       atomic_load(&faults) >= sc->faults;
}

static bool going_on(void)
{
	if (atomic_load(&over))
		return false;
	if (done() || now_s() - atomic_load(&progress_s) > STALLED_S)
		atomic_store(&over, true);
	return !atomic_load(&over);
}

static void progress(atomic_long *what)
{
	atomic_fetch_add(what, 1);
	atomic_store(&progress_s, now_s());
}

/* A write of 8 bytes; what became of it */
static int dma_write(__u64 addr, __u32 attr, __u64 data)
{
	int ret;

	pthread_mutex_lock(&cmd_lock);
	poke(TARGET, ATD_ATTR, 4, attr);
	poke(TARGET, ATD_DATA, 8, data);
	ret = command(TARGET, ATD_CMD_WRITE, addr, 8);
	pthread_mutex_unlock(&cmd_lock);
	return ret;
}

static int atc_fill(__u64 addr, __u64 len)
{
	int ret;

	pthread_mutex_lock(&cmd_lock);
	ret = command(TARGET, ATD_CMD_ATC_FILL, addr, len);
	pthread_mutex_unlock(&cmd_lock);
	return ret;
}

/* Is addr in the ATC, and as what? */
static bool atc_has(__u64 addr, __u64 *pa)
{
	bool has;

	pthread_mutex_lock(&cmd_lock);
	has = command(TARGET, ATD_CMD_ATC_LOOKUP, addr, 8) == ATD_OK;
	*pa = peek(TARGET, ATD_DATA, 8);
	pthread_mutex_unlock(&cmd_lock);
	return has;
}

static __u64 words_with(__u32 buf, __u64 value)
{
	struct ats_testdev_check arg = {
		.buf = buf, .mask = ~0ULL, .value = value,
	};

	do_ioctl(ATS_TESTDEV_CHECK, &arg, "check");
	return arg.words;
}

static void watch(struct ats_testdev_watch *w, __u32 us)
{
	*w = (struct ats_testdev_watch) { .ep = TARGET, .us = us };
	do_ioctl(ATS_TESTDEV_WATCH, w, "watch");
}

/* The hammer goes by address, so that it needs no ATC and no domain */
static void hammer_raw(void)
{
	pthread_mutex_lock(&cmd_lock);
	hammer(TARGET, scratch_pa, PAGE, ATD_ATTR_RAW_TRANSLATED);
	pthread_mutex_unlock(&cmd_lock);
}

/* One failure is enough: the storm ends */
static void complain(const char *what, __u64 n)
{
	atomic_store(&over, true);
	ksft_print_msg("%s: %llu, after %ld attaches and %ld faults\n", what, n,
		       atomic_load(&attaches), atomic_load(&faults));
}

/*
 * The attacker
 */

static bool attach(__u32 dom)
{
	struct ats_testdev_domain arg = { .ep = TARGET, .dom = dom };

	if (!ioctl(dev, ATS_TESTDEV_ATTACH, &arg))
		return true;
	/* While it is reset the core refuses it */
	if (errno != EBUSY)
		ksft_exit_fail_msg("to domain %u: %s\n", dom, strerror(errno));
	atomic_fetch_add(&busy, 1);
	return false;
}

static void detach(__u32 dom)
{
	struct ats_testdev_flush arg = {
		.ep = TARGET, .dom = dom, .buf = nothing,
	};

	do_ioctl(ATS_TESTDEV_DETACH, &arg, "detach");
}

/* An untranslated write lands where the domain says */
static bool dma_is_right(__u32 dom, __u64 nonce)
{
	int ret, i, here;

	if (dom == blocked)
		return dma_write(KEPT_IOVA, ATD_ATTR_UNTRANSLATED, nonce) ==
		       ATD_E_FAULT;
	if (dom == identity)
		return dma_write(scratch_pa + 8, ATD_ATTR_UNTRANSLATED,
				 nonce) == ATD_OK &&
		       words_with(scratch, nonce) == 1;

	ret = dma_write(KEPT_IOVA, ATD_ATTR_UNTRANSLATED, nonce);
	for (i = 0; i < NR_PAGING; i++) {
		here = paging[i] == dom;
		if (words_with(kept[i], nonce) != here)
			return false;
	}
	return ret == ATD_OK;
}

static void check_dma(__u32 dom, __u64 nonce)
{
	bool ok;

	pthread_rwlock_rdlock(&reset_lock);
	ok = dma_is_right(dom, nonce);
	pthread_rwlock_unlock(&reset_lock);
	if (!ok) {
		complain("a write went wrong in domain", dom);
		atomic_fetch_add(&wrong, 1);
	}
}

static void *attacker(void *arg)
{
	const __u32 doms[] = {
		paging[0], paging[1], paging[0], paging[1], identity, blocked,
	};
	struct luck luck = { .state = seed };
	__u64 nonce = 0xd0a0000000000000ULL;
	__u32 dom;

	pin(0);
	while (going_on()) {
		dom = doms[draw(&luck, ARRAY_SIZE(doms))];
		if (!attach(dom)) {
			usleep(1000);
			continue;
		}
		progress(&attaches);
		check_dma(dom, nonce++);
		usleep(draw(&luck, 1500));
		detach(dom);
	}
	return NULL;
}

/*
 * The mappers
 */

/* One endpoint per thread carries its marks */
struct mapper {
	int nr;
	struct luck luck;
	__u32 buf[MAPPER_BUFS];
	__u64 slot;
};

/* No reset is under way, and the unmap of @buf, at @iova, was not answered */
static void look_at_window(__u32 buf, __u64 iova, __u64 pa)
{
	__u64 accepted = counter(TARGET, ATD_ACCEPTED);
	__u64 in_vain = counter(TARGET, ATD_REFUSED);
	struct ats_testdev_watch w;
	__u64 n;
	int i;

	/* Where the trace of the machine may take the target for fenced */
	poke(TARGET, ATD_MARK, 4, ATD_MARK_START);

	for (i = 0; i < 4; i++) {
		watch(&w, WATCH_US / 4);
		atomic_fetch_add(&samples, w.samples);
		atomic_fetch_add(&eats_seen, w.eats);
		if (w.eats)
			complain("EATS in the STE of a fenced master", w.eats);
		if (dma_write(iova, ATD_ATTR_ATC, ~REFILL) == ATD_OK)
			atomic_fetch_add(&landed, 1);
		if (dma_write(pa, ATD_ATTR_RAW_TRANSLATED, ~REFILL) == ATD_OK)
			atomic_fetch_add(&landed, 1);
		else
			atomic_fetch_add(&refused, 1);
	}

	n = counter(TARGET, ATD_ACCEPTED) - accepted;
	if (n) {
		complain("translated writes of a fenced master", n);
		atomic_fetch_add(&landed, n);
	}
	atomic_fetch_add(&refused, counter(TARGET, ATD_REFUSED) - in_vain);
	n = corrupted(buf);
	if (n) {
		complain("words in a page that was taken away", n);
		atomic_fetch_add(&damaged, n);
	}
}

static void map_and_unmap(struct mapper *m, __u32 buf)
{
	struct ats_testdev_flush f = {
		.buf = buf, .pattern = REFILL, .mark = EP(m->nr ? 2 : 0),
	};
	__u64 iova = MAPPER_IOVA(m->nr) + m->slot++ % MAPPER_SLOTS * PAGE;
	bool in_atc;
	__u64 pa;

	map_dom(buf, paging[m->nr], iova);
	pthread_rwlock_rdlock(&reset_lock);
	in_atc = atc_fill(iova, PAGE) == ATD_OK;
	pthread_rwlock_unlock(&reset_lock);
	atomic_fetch_add(&filled, in_atc);
	usleep(draw(&m->luck, in_atc ? 1000 : 200));

	do_ioctl(ATS_TESTDEV_UNMAP, &f, "unmap");
	atomic_fetch_sub(&filled, in_atc);
	atomic_fetch_add(&flushes, 1);

	pthread_rwlock_rdlock(&reset_lock);
	if (in_atc && atc_has(iova, &pa)) {
		look_at_window(buf, iova, pa);
		progress(&windows);
	} else if (corrupted(buf)) {
		complain("words in a page that was taken away", 0);
		atomic_fetch_add(&damaged, 1);
	}
	pthread_rwlock_unlock(&reset_lock);
}

static void *mapper(void *arg)
{
	struct mapper *m = arg;
	unsigned int n = 0;

	pin(1 + m->nr);
	m->luck.state = seed + 1 + m->nr;
	while (going_on())
		map_and_unmap(m, m->buf[n++ % MAPPER_BUFS]);
	return NULL;
}

/*
 * The faults
 */

static void reset(void)
{
	pthread_rwlock_wrlock(&reset_lock);
	if (!sysfs_reset(TARGET))
		ksft_exit_fail_msg("sysfs refuses\n");
	pthread_rwlock_unlock(&reset_lock);
	progress(&resets);
	hammer_raw();
}

/*
 * Without a page in the ATC no flush would see the fault. Whether that page's
 * unmap runs into it first, or the attacker, is left to chance.
 */
static void fault(struct luck *luck)
{
	bool wait = draw(luck, 6);
	long seen = atomic_load(&windows);
	int ms;

	usleep(draw(luck, 3000));
	while (!atomic_load(&filled) && going_on())
		sched_yield();
	ats_misbehave(TARGET, ATD_INV_NEVER_UNTIL_RESET, 0);
	if (!wait) {
		usleep(draw(luck, 2 * opt.timeout_us));
		atomic_fetch_add(&early, 1);
		reset();
		return;
	}
	for (ms = 0; ms < WINDOW_MS && atomic_load(&windows) == seen; ms++)
		usleep(1000);
	if (atomic_load(&windows) != seen)
		progress(&faults);
	reset();
}

static void run_storm(void)
{
	static struct mapper mappers[NR_PAGING];
	pthread_t threads[1 + NR_PAGING];
	struct luck luck = { .state = seed + 1 + NR_PAGING };
	int i, n;

	for (i = 0; i < NR_PAGING; i++) {
		mappers[i].nr = i;
		for (n = 0; n < MAPPER_BUFS; n++) {
			mappers[i].buf[n] = alloc_buf(1);
			ats_fill_buf(mappers[i].buf[n], REFILL);
		}
	}
	atomic_store(&progress_s, now_s());
	for (i = 0; i <= NR_PAGING; i++) {
		if (pthread_create(&threads[i], NULL, i ? mapper : attacker,
				   i ? &mappers[i - 1] : NULL))
			ksft_exit_fail_msg("pthread_create\n");
	}
	pin(3);
	while (going_on())
		fault(&luck);
	for (i = 0; i <= NR_PAGING; i++)
		pthread_join(threads[i], NULL);
}

/*
 * Before and after
 */

static __u32 static_domain(__u32 kind)
{
	struct ats_testdev_static arg = { .ep = TARGET, .kind = kind };

	do_ioctl(ATS_TESTDEV_STATIC, &arg, "static domain");
	return arg.dom;
}

/* A reset of the power state takes a tenth of the time of an FLR */
static void choose_reset(void)
{
	char path[96], methods[64] = "";
	int fd;

	ats_sysfs(path, sizeof(path), TARGET, "reset_method");
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		if (read(fd, methods, sizeof(methods) - 1) < 0)
			ksft_perror(path);
		close(fd);
	}
	if (strstr(methods, "pm") && sysfs_write(TARGET, "reset_method", "pm"))
		strcpy(methods, "pm");
	ksft_print_msg("reset_method=%.*s\n", (int)strcspn(methods, "\n"),
		       methods);
}

static void setup(void)
{
	static const int company[NR_PAGING] = { 0, 2 };
	int i;

	nothing = alloc_buf(1);
	scratch = alloc_buf(1);
	for (i = 0; i < NR_PAGING; i++) {
		paging[i] = ats_domain(TARGET);
		kept[i] = alloc_buf(KEPT_PAGES);
		map_dom(kept[i], paging[i], KEPT_IOVA);
		ats_attach(company[i], paging[i]);
		area[company[i]].buf = kept[i];
		area[company[i]].attr = ATD_ATTR_ATC;
		area[company[i]].addr = KEPT_IOVA + PAGE;
		area[company[i]].len = PAGE;
	}
	identity = static_domain(ATS_TESTDEV_IDENTITY);
	blocked = static_domain(ATS_TESTDEV_BLOCKED);
	map_dom(scratch, paging[0], SECOND_IOVA);
	choose_reset();
}

/* The healthy target: hammer and look-out see it, and each domain is right */
static bool works(__u64 nonce)
{
	struct ats_testdev_watch w;
	__u64 accepted;
	__u64 pa;
	bool ok;
	int i;

	for (i = 0; i < NR_PAGING; i++) {
		ats_attach(TARGET, paging[i]);
		ok = dma_is_right(paging[i], nonce + i) && ats_is_on(TARGET) &&
		     atc_fill(KEPT_IOVA, PAGE) == ATD_OK &&
		     dma_write(KEPT_IOVA, ATD_ATTR_ATC, nonce + 8 + i) ==
		     ATD_OK && words_with(kept[i], nonce + 8 + i) == 1;
		if (!i && atc_fill(SECOND_IOVA, PAGE) == ATD_OK &&
		    atc_has(SECOND_IOVA, &pa))
			scratch_pa = pa;
		accepted = counter(TARGET, ATD_ACCEPTED);
		hammer_raw();
		watch(&w, 20000);
		hammer_off(TARGET);
		detach(paging[i]);
		if (!ok || w.eats != w.samples ||
		    counter(TARGET, ATD_ACCEPTED) == accepted) {
			complain("does not work: domain", paging[i]);
			return false;
		}
	}
	for (i = 0; i < 2; i++) {
		ats_attach(TARGET, i ? blocked : identity);
		ok = dma_is_right(i ? blocked : identity, nonce + 16 + i);
		detach(i ? blocked : identity);
		if (!ok) {
			complain("does not work: static domain", i);
			return false;
		}
	}
	return true;
}

static bool company_works(void)
{
	bool ok = true;
	int ep;

	for (ep = 0; ep < TRIO; ep += 2)
		ok &= ats_is_on(ep) && ats_fill(ep) && ats_control(ep);
	return ok;
}

static void print_numbers(void)
{
	static const struct {
		const char *name;
		atomic_long *val;
	} numbers[] = {
		{ "attaches", &attaches }, { "busy", &busy },
		{ "faults", &faults }, { "windows", &windows },
		{ "resets", &resets }, { "early", &early },
		{ "flushes", &flushes }, { "samples", &samples },
		{ "eats", &eats_seen }, { "wrong", &wrong },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		ksft_print_msg("storm.%s=%ld\n", numbers[i].name,
			       atomic_load(numbers[i].val));
}

int main(int argc, char **argv)
{
	static const struct ats_option more[] = { { "seed", &seed }, { } };
	struct ats_verdict v;

	ksft_print_header();
	opt.period_us = 100;
	sc = ats_choose(argc, argv, storms, ARRAY_SIZE(storms),
			sizeof(storms[0]), more);
	ats_start(&sc->s);
	if (opt.timeout_us > MAX_TIMEOUT_US)
		ksft_exit_skip("needs an SMMU that gives up within %d us: timeout_us= says when\n",
			       MAX_TIMEOUT_US);
	if (sysconf(_SC_NPROCESSORS_ONLN) < THREADS)
		ksft_exit_skip("needs %d CPUs\n", THREADS);
	ksft_set_plan(6);
	ksft_print_msg("seed %ld\n", seed);
	setup();

	ksft_test_result(works(0xd0b0000000000000ULL) && company_works(),
			 "positive control: hammer, STE and every domain\n");
	hammer_raw();
	run_storm();
	/* It may be fenced */
	reset();
	hammer_off(TARGET);

	print_numbers();
	print_counters(TARGET);
	ksft_print_msg("ep%d.target=1\n", TARGET);
	v.escapes = atomic_load(&landed);
	v.corrupted = atomic_load(&damaged);
	v.rejected = atomic_load(&refused);
	ats_print_verdict(&v);

	ksft_test_result(done(), "%ld attaches, %ld faults\n", sc->attaches,
			 sc->faults);
	ksft_test_result(!v.escapes && !v.corrupted && v.rejected >= ENOUGH,
			 "no write of a fenced endpoint lands\n");
	ksft_test_result(!atomic_load(&eats_seen) && atomic_load(&samples),
			 "no EATS in the STE of a fenced endpoint\n");
	ksft_test_result(!atomic_load(&wrong),
			 "each attach leads writes to where the domain says\n");
	ksft_test_result(works(0xd0c0000000000000ULL) && company_works(),
			 "after the storm every domain works\n");
	ksft_finished();
}
