// SPDX-License-Identifier: GPL-2.0
/*
 * Does a device still write through a translation after the flush that removed
 * it has returned?
 *
 * Runs one named scenario against the emulated endpoints (ats-testdev) and
 * reports against the safe behaviour: no write lands, the device that does not
 * answer invalidations is refused, everybody else keeps working. It does not
 * know which kernel it runs on, so on one without a fence the cases that look
 * for escapes fail, and the "# key=value" lines say by how much.
 *
 * The oracle is a hammer in the endpoint that goes on writing through its ATC.
 * Writes accepted after the flush returned are escapes, counted twice: by the
 * endpoint, and in memory, which got a pattern at that moment. No escapes may
 * also mean a dead hammer, so each target has to show 100 attempts that came to
 * nothing, and each endpoint has to write successfully before.
 *
 * Needs root, the module beside it, and endpoints in this order: 0 to 2 with
 * ATS (they share a domain), 3 with ATS, 4 without.
 *
 * What this is not: a test of the hardware's own ordering. The model's DMA is
 * synchronous, there are no writes in flight to be drained.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "ats-testdev-regs.h"
#include "module/ats_testdev_uapi.h"

#define NR_EPS		5
#define TRIO		3	/* endpoints 0 to 2 share a domain */
#define LONER		3	/* ATS, a domain of its own */
#define NEIGHBOUR	4	/* no ATS, a domain of its own */
#define EP(n)		(1u << (n))

#define PAGE		4096UL
#define KEPT_PAGES	8	/* stay mapped all the time */
#define VICTIM_PAGES	16	/* are taken away */
/*
 * Kept and victim pages lie side by side: one hammer covers both. The victim is
 * aligned to its size, because an Invalidate Request covers a power of two and
 * would take the kept ones out of the ATC as well.
 */
#define VICTIM_IOVA	0x10010000UL
#define KEPT_IOVA	(VICTIM_IOVA - KEPT_PAGES * PAGE)
#define SECOND_IOVA	0x20000000UL
#define THIRD_IOVA	0x30000000UL

#define REFILL		0x5afe5afe5afe5afeULL	/* the page's next owner */
#define TAG_MASK	0xffffff0000000000ULL
#define TAG(ep)		(0xa75d000000000000ULL | (__u64)(ep) << 40)

#define ENOUGH		100	/* attempts that prove a hammer alive */

enum verb {
	UNMAP,		/* iommu_unmap() of pages in the shared domain */
	UNMAP_DMA,	/* dma_unmap_page() of an endpoint on its own */
	DETACH,		/* iommu_detach_device() of an endpoint */
};

struct scenario {
	const char *name;
	const char *what;
	enum verb verb;
	unsigned int targets;	/* their hammers know nothing but the victim */
	unsigned int dead;	/* of these: do not answer until a reset */
	bool late;		/* targets answer, but late */
	bool neighbour;		/* unmaps while the queue stands still */
	bool reattach;		/* then take it to another domain and back */
	bool reset;		/* then reset the dead ones */
};

static const struct scenario scenarios[] = {
	{ "one-dead-of-one", "an endpoint alone in its domain goes dead",
	  .verb = UNMAP_DMA, .targets = EP(0), .dead = EP(0) },
	{ "one-dead-of-three", "one of three in a domain goes dead",
	  .targets = EP(1), .dead = EP(1) },
	{ "two-dead", "two of three in a domain go dead",
	  .targets = EP(0) | EP(2), .dead = EP(0) | EP(2) },
	{ "late-in-time", "one of three answers late, but in time",
	  .targets = EP(1), .late = true },
	{ "all-healthy", "nobody fails", .targets = EP(1) },
	{ "detach-dead", "a dead endpoint leaves the domain",
	  .verb = DETACH, .targets = EP(1), .dead = EP(1) },
	{ "non-ats-neighbour", "a device without ATS unmaps meanwhile",
	  .targets = EP(1), .dead = EP(1), .neighbour = true },
	{ "reattach", "the dead endpoint is attached again, without a reset",
	  .targets = EP(1), .dead = EP(1), .reattach = true },
	{ "reset", "the dead endpoint is reset", .targets = EP(1),
	  .dead = EP(1), .reset = true },
	{ "demo", "one of three goes dead, everybody does DMA, then a reset",
	  .targets = EP(1), .dead = EP(1), .reset = true },
};

/* Options, "key=value" on the command line */
static struct {
	long cpu;		/* that flushes; -1: the last one */
	long timeout_us;	/* the SMMU's, for what is "at once" */
	long late_us;
	long period_us;		/* of the hammers */
} opt = { .cpu = -1, .timeout_us = 1000000, .late_us = 0, .period_us = 200 };

static const struct scenario *sc;
static int dev = -1;
static struct ats_testdev_info info[NR_EPS];
static __u32 dom, victim, kept;
static struct {
	__u32 buf;
	__u32 attr;
	__u64 addr;
	__u64 len;
} own[NR_EPS];			/* what an endpoint's hammer writes to */
static struct ats_testdev_flush flush, flush2;
static __u64 before[NR_EPS];		/* accepted before the flush */

static void do_ioctl(unsigned long cmd, void *arg, const char *what)
{
	if (ioctl(dev, cmd, arg))
		ksft_exit_fail_msg("%s: %s\n", what, strerror(errno));
}

static __u64 peek(int ep, __u32 off, __u32 size)
{
	struct ats_testdev_reg reg = { .ep = ep, .off = off, .size = size };

	do_ioctl(ATS_TESTDEV_PEEK, &reg, "peek");
	return reg.val;
}

static void poke(int ep, __u32 off, __u32 size, __u64 val)
{
	struct ats_testdev_reg reg = {
		.ep = ep, .off = off, .size = size, .val = val
	};

	do_ioctl(ATS_TESTDEV_POKE, &reg, "poke");
}

static __u64 counter(int ep, __u32 off)
{
	return peek(ep, off, 8);
}

static int command(int ep, __u32 cmd, __u64 addr, __u64 len)
{
	poke(ep, ATD_ADDR, 8, addr);
	poke(ep, ATD_LEN, 8, len);
	poke(ep, ATD_CMD, 4, cmd);
	return peek(ep, ATD_RESULT, 4);
}

static void hammer(int ep, __u64 addr, __u64 len, __u32 attr)
{
	poke(ep, ATD_HAMMER_CTRL, 4, 0);
	poke(ep, ATD_HAMMER_PERIOD, 4, opt.period_us * 1000);
	poke(ep, ATD_HAMMER_ADDR, 8, addr);
	poke(ep, ATD_HAMMER_LEN, 8, len);
	poke(ep, ATD_HAMMER_PATTERN, 8, TAG(ep));
	poke(ep, ATD_HAMMER_CTRL, 4,
	     ATD_HAMMER_ENABLE | attr << ATD_HAMMER_ATTR_SHIFT);
}

static void hammer_off(int ep)
{
	poke(ep, ATD_HAMMER_CTRL, 4, 0);
}

static void nap(void)
{
	struct timespec ts = { .tv_nsec = 5 * 1000 * 1000 };

	nanosleep(&ts, NULL);
}

/*
 * A flush that takes longer has waited for somebody. Not less than the second
 * for which the driver polls: a busy host may stop a guest for a while.
 */
static __u64 limit_ns(void)
{
	__u64 ns = opt.timeout_us * 1000ULL;

	return ns < 1000000000 ? 1000000000 : ns;
}

/* Naps for a hammer to make this many attempts, with a margin of ten */
static int patience(unsigned int attempts)
{
	return 10 * attempts * opt.period_us / 5000 + 10;
}

static __u32 alloc_buf(unsigned int pages)
{
	struct ats_testdev_alloc arg = { .pages = pages };

	do_ioctl(ATS_TESTDEV_ALLOC, &arg, "alloc");
	return arg.buf;
}

static void map_dom(__u32 buf, __u64 iova)
{
	struct ats_testdev_map arg = {
		.buf = buf, .dom = dom, .iova = iova
	};

	do_ioctl(ATS_TESTDEV_MAP, &arg, "map in the domain");
}

static __u64 map_dma(__u32 buf, int ep)
{
	struct ats_testdev_map arg = {
		.buf = buf, .ep = ep, .dom = ATS_TESTDEV_NONE
	};

	do_ioctl(ATS_TESTDEV_MAP, &arg, "map for the DMA API");
	return arg.iova;
}

/* Words in the buffer that the hammer of an endpoint has written */
static struct ats_testdev_check tagged(__u32 buf, int ep)
{
	struct ats_testdev_check arg = {
		.buf = buf, .mask = TAG_MASK, .value = TAG(ep),
	};

	do_ioctl(ATS_TESTDEV_CHECK, &arg, "check");
	return arg;
}

/* Words in the buffer that are no longer what its new owner wrote */
static __u64 corrupted(__u32 buf)
{
	struct ats_testdev_check arg = { .buf = buf, .pattern = REFILL };

	do_ioctl(ATS_TESTDEV_CHECK, &arg, "check");
	return arg.words;
}

static void pin(long cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		ksft_exit_fail_msg("CPU %ld: %s\n", cpu, strerror(errno));
}

static void get_info(int ep)
{
	info[ep].ep = ep;
	do_ioctl(ATS_TESTDEV_INFO, &info[ep], "info");
}

static void setup(void)
{
	struct ats_testdev_domain arg = { .ep = 0 };
	bool ats, want;
	int ep;

	dev = open("/dev/ats_testdev", O_RDWR);
	if (dev < 0)
		ksft_exit_skip("/dev/ats_testdev: %s\n", strerror(errno));

	for (ep = 0; ep < NR_EPS; ep++) {
		get_info(ep);
		ksft_print_msg("ep%d.bdf=%s\n", ep, info[ep].bdf);
		ksft_print_msg("ep%d.sid=%#x\n", ep, info[ep].sid);
		ats = info[ep].flags & ATS_TESTDEV_HAS_ATS;
		want = ep != NEIGHBOUR;
		if (ats != want)
			ksft_exit_fail_msg("endpoint %d: wrong kind\n", ep);
		poke(ep, ATD_CMD, 4, ATD_CMD_CLEAR_COUNTERS);
		poke(ep, ATD_INV_MODE, 4, ATD_INV_ANSWER);
	}

	victim = alloc_buf(VICTIM_PAGES);
	kept = alloc_buf(KEPT_PAGES);
	own[LONER].buf = alloc_buf(VICTIM_PAGES);
	own[NEIGHBOUR].buf = alloc_buf(VICTIM_PAGES);

	if (sc->verb == UNMAP_DMA)
		return;
	do_ioctl(ATS_TESTDEV_DOMAIN, &arg, "domain");
	dom = arg.dom;
	for (ep = 0; ep < TRIO; ep++) {
		arg.ep = ep;
		do_ioctl(ATS_TESTDEV_ATTACH, &arg, "attach");
	}
	map_dom(kept, KEPT_IOVA);
	map_dom(victim, VICTIM_IOVA);
}

/* Which endpoints take part */
static bool takes_part(int ep)
{
	return sc->verb != UNMAP_DMA || ep >= TRIO || (sc->targets & EP(ep));
}

/* Maps what an endpoint will write to, and fills its ATC */
static bool prepare(int ep)
{
	int ret;

	own[ep].attr = ep == NEIGHBOUR ? ATD_ATTR_UNTRANSLATED : ATD_ATTR_ATC;
	own[ep].len = VICTIM_PAGES * PAGE;
	if (ep >= TRIO) {
		own[ep].addr = map_dma(own[ep].buf, ep);
	} else if (sc->verb == UNMAP_DMA) {
		own[ep].buf = victim;
		own[ep].addr = map_dma(victim, ep);
	} else if (sc->targets & EP(ep)) {
		own[ep].buf = victim;
		own[ep].addr = VICTIM_IOVA;
	} else {
		own[ep].buf = kept;
		own[ep].addr = KEPT_IOVA;
		/* After a detach the victim is still theirs: keep off it */
		if (sc->verb == DETACH)
			own[ep].len = 0;
		own[ep].len += KEPT_PAGES * PAGE;
	}

	if (own[ep].attr != ATD_ATTR_ATC)
		return true;
	ret = command(ep, ATD_CMD_ATC_FILL, own[ep].addr, own[ep].len);
	if (ret != ATD_OK)
		ksft_print_msg("endpoint %d: ATC fill: %d\n", ep, ret);
	return ret == ATD_OK;
}

/*
 * The positive control. One hammer at a time: two that write to the same pages
 * hide each other.
 */
static bool control(int ep)
{
	bool seen = false;
	int i;

	hammer(ep, own[ep].addr, own[ep].len, own[ep].attr);
	for (i = 0; i < patience(64) && !seen; i++) {
		nap();
		seen = counter(ep, ATD_ACCEPTED) >= 64 &&
		       tagged(own[ep].buf, ep).words;
	}
	hammer_off(ep);
	if (!seen)
		ksft_print_msg("endpoint %d: no write seen in memory\n", ep);
	return seen;
}

/* Where the other CPU's unmap waits for the queue to stand still */
static struct {
	long cpu;
	__u64 ignored;
} meanwhile;

static void *neighbour_unmaps(void *concurrent)
{
	int dead = __builtin_ctz(sc->dead);
	int i;

	if (concurrent) {
		pin(meanwhile.cpu);
		/* Not for ever */
		for (i = 0; i < 1000; i++) {
			if (counter(dead, ATD_INV_IGNORED) != meanwhile.ignored)
				break;
			nap();
		}
	}
	do_ioctl(ATS_TESTDEV_UNMAP, &flush2, "neighbour's unmap");
	return NULL;
}

static void do_flush(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	long cpu = opt.cpu < 0 ? cpus - 1 : opt.cpu;
	pthread_t thread;

	flush = (struct ats_testdev_flush) {
		.buf = victim, .dom = dom, .pattern = REFILL,
		.ep = __builtin_ctz(sc->targets),
		.mark = EP(NR_EPS) - 1,
	};
	flush2 = (struct ats_testdev_flush) {
		.buf = own[NEIGHBOUR].buf, .pattern = REFILL, .mark = EP(NEIGHBOUR),
	};
	if (sc->neighbour)
		flush.mark &= ~EP(NEIGHBOUR);

	pin(cpu);
	if (sc->neighbour) {
		meanwhile.cpu = cpu ? 0 : 1;
		meanwhile.ignored = counter(flush.ep, ATD_INV_IGNORED);
		if (cpus > 1 && pthread_create(&thread, NULL, neighbour_unmaps,
					       &meanwhile))
			ksft_exit_fail_msg("pthread_create\n");
	}
	if (sc->verb == DETACH)
		do_ioctl(ATS_TESTDEV_DETACH, &flush, "detach");
	else
		do_ioctl(ATS_TESTDEV_UNMAP, &flush, "unmap");

	if (!sc->neighbour)
		return;
	if (cpus > 1)
		pthread_join(thread, NULL);
	else
		neighbour_unmaps(NULL);
}

static __u64 attempts_after(int ep)
{
	return counter(ep, ATD_ACCEPTED_AFTER) +
	       counter(ep, ATD_REFUSED_AFTER) +
	       counter(ep, ATD_MISSED_AFTER);
}

static bool is_target(int ep)
{
	return sc->targets & EP(ep) || (sc->neighbour && ep == NEIGHBOUR);
}

/*
 * Everybody gets time for enough attempts. A target whose writes still land
 * gets as long as the others: that suffices to tell.
 */
static void let_hammers_go_on(void)
{
	int ep, i;

	for (ep = 0; ep < NR_EPS; ep++) {
		if (!takes_part(ep))
			continue;
		for (i = 0; i < patience(ENOUGH); i++) {
			if (attempts_after(ep) >= ENOUGH + 28)
				break;
			nap();
		}
	}
}

static void print_counters(int ep)
{
	__u64 after = counter(ep, ATD_ACCEPTED_AFTER);
	__u64 during = counter(ep, ATD_ACCEPTED) - after - before[ep];

	ksft_print_msg("ep%d.accepted_before=%llu\n", ep, before[ep]);
	ksft_print_msg("ep%d.accepted_during=%llu\n", ep, during);
	ksft_print_msg("ep%d.accepted_after=%llu\n", ep, after);
	ksft_print_msg("ep%d.refused_after=%llu\n", ep,
		       counter(ep, ATD_REFUSED_AFTER));
	ksft_print_msg("ep%d.missed_after=%llu\n", ep,
		       counter(ep, ATD_MISSED_AFTER));
	ksft_print_msg("ep%d.mark_time=%llu\n", ep,
		       counter(ep, ATD_MARK_TIME));
	ksft_print_msg("ep%d.last_accepted_after=%llu\n", ep,
		       counter(ep, ATD_LAST_ACCEPTED_AFTER));
	ksft_print_msg("ep%d.inv_received=%llu\n", ep,
		       counter(ep, ATD_INV_RECEIVED));
	ksft_print_msg("ep%d.inv_ignored=%llu\n", ep,
		       counter(ep, ATD_INV_IGNORED));
}

static void print_flush(const char *name, const struct ats_testdev_flush *f)
{
	ksft_print_msg("%s.ret=%llu\n", name, f->ret);
	ksft_print_msg("%s.ns=%llu\n", name, f->ns);
	ksft_print_msg("%s.start=%llu\n", name, f->start);
	ksft_print_msg("%s.end=%llu\n", name, f->end);
}

/* 1: all endpoints write before the flush */
static void case_control(void)
{
	bool ok = true;
	int ep;

	for (ep = 0; ep < NR_EPS; ep++) {
		if (takes_part(ep))
			ok &= prepare(ep) && control(ep);
	}
	ksft_test_result(ok, "positive control: every hammer is seen in memory\n");
}

/* 2 to 4: the flush itself, escapes, hammers alive */
static void case_flush(void)
{
	__u64 escapes = 0, words, alive = ~0ULL, n;
	__u64 size = VICTIM_PAGES * PAGE;
	__u32 mode;
	int ep;

	for (ep = 0; ep < NR_EPS; ep++) {
		if (!(sc->targets & EP(ep)))
			continue;
		mode = ATD_INV_ANSWER;
		if (sc->dead & EP(ep))
			mode = ATD_INV_NEVER_UNTIL_RESET;
		else if (sc->late)
			mode = ATD_INV_LATE;
		poke(ep, ATD_INV_ARG, 4, opt.late_us);
		poke(ep, ATD_INV_MODE, 4, mode);
	}
	for (ep = 0; ep < NR_EPS; ep++) {
		if (!takes_part(ep))
			continue;
		before[ep] = counter(ep, ATD_ACCEPTED);
		hammer(ep, own[ep].addr, own[ep].len, own[ep].attr);
	}

	do_flush();
	let_hammers_go_on();
	/* The counters have to agree, and each refused write is an event */
	for (ep = 0; ep < NR_EPS; ep++)
		hammer_off(ep);

	print_flush("flush", &flush);
	if (sc->neighbour)
		print_flush("flush2", &flush2);
	for (ep = 0; ep < NR_EPS; ep++) {
		if (!takes_part(ep))
			continue;
		print_counters(ep);
		if (!is_target(ep))
			continue;
		ksft_print_msg("ep%d.target=1\n", ep);
		escapes += counter(ep, ATD_ACCEPTED_AFTER);
		n = counter(ep, sc->dead & EP(ep) || ep == NEIGHBOUR ?
			    ATD_REFUSED_AFTER : ATD_MISSED_AFTER);
		if (n < alive)
			alive = n;
	}
	words = corrupted(victim);
	if (sc->neighbour)
		words += corrupted(own[NEIGHBOUR].buf);
	ksft_print_msg("escapes=%llu\n", escapes);
	ksft_print_msg("corrupted=%llu\n", words);
	ksft_print_msg("rejected=%llu\n", alive);

	ksft_test_result(sc->verb == DETACH || flush.ret == size,
			 "the flush took all pages away\n");
	ksft_test_result(!escapes && !words,
			 "no write lands after the flush returned\n");
	ksft_test_result(alive >= ENOUGH,
			 "targets tried in vain at least %d times\n", ENOUGH);
}

/* 5: who answers loses nothing */
static void case_healthy(void)
{
	bool progress = true, ats = true;
	__u64 addr;
	int ep, ret;

	for (ep = 0; ep < NR_EPS; ep++) {
		if (!takes_part(ep) || is_target(ep))
			continue;
		ret = counter(ep, ATD_ACCEPTED_AFTER) > 0;
		if (!ret)
			ksft_print_msg("endpoint %d made no progress\n", ep);
		progress &= ret;
	}
	for (ep = 0; ep < TRIO; ep++) {
		if (!takes_part(ep) || sc->dead & EP(ep))
			continue;
		/* Kept pages still work, the victim's are unknown to the ATC */
		addr = sc->verb == DETACH ? 0 : VICTIM_IOVA;
		if (addr && command(ep, ATD_CMD_ATC_LOOKUP, addr, PAGE) !=
		    ATD_E_MISS) {
			ksft_print_msg("endpoint %d: stale ATC entry\n", ep);
			ats = false;
		}
		command(ep, ATD_CMD_ATC_DROP, 0, 0);
		ret = command(ep, ATD_CMD_ATC_FILL, KEPT_IOVA,
			      KEPT_PAGES * PAGE);
		if (ret != ATD_OK) {
			ksft_print_msg("endpoint %d: ATC fill: %d\n", ep, ret);
			ats = false;
		}
		get_info(ep);
		ats &= !!(info[ep].flags & ATS_TESTDEV_ATS_ON);
	}
	ksft_test_result(progress, "everybody else's DMA went on\n");
	ksft_test_result(ats, "whoever answers keeps ATS\n");
}

/*
 * 6: the next flush does not ask the dead one again. An endpoint that answers
 * late is asked and waited for.
 */
static void case_second_flush(void)
{
	struct ats_testdev_flush f = { .pattern = REFILL };
	__u64 asked = 0;
	bool ok = true;
	int ep;

	f.buf = alloc_buf(1);
	f.mark = EP(LONER);
	if (sc->verb == UNMAP_DMA)
		map_dma(f.buf, __builtin_ctz(sc->targets));
	else
		map_dom(f.buf, SECOND_IOVA);

	for (ep = 0; ep < TRIO; ep++)
		asked -= sc->dead & EP(ep) ? counter(ep, ATD_INV_RECEIVED) : 0;
	do_ioctl(ATS_TESTDEV_UNMAP, &f, "second unmap");
	for (ep = 0; ep < TRIO; ep++)
		asked += sc->dead & EP(ep) ? counter(ep, ATD_INV_RECEIVED) : 0;

	print_flush("second", &f);
	ksft_print_msg("second.asked_dead=%llu\n", asked);
	if (sc->dead)
		ok = f.ns < limit_ns() && !asked;
	ksft_test_result(ok, "the next flush asks only who can answer\n");

	/*
	 * Where the dead are still asked, taking everything down would cost the
	 * SMMU's timeout at each step, and show nothing new.
	 */
	for (ep = 0; ep < TRIO && asked && !sc->reset; ep++)
		poke(ep, ATD_INV_MODE, 4, ATD_INV_ANSWER);
}

static void wait_for_attempts(int ep, __u64 n)
{
	int i;

	for (i = 0; i < patience(n) && attempts_after(ep) < n; i++)
		nap();
}

/*
 * 7: no attach gives ATS back, not for a moment: neither that to the default
 * domain nor that to the old one. The hammer goes by the address that the ATC
 * had, so that it works even if ATS is off at the endpoint.
 */
static void case_reattach(void)
{
	int ep = __builtin_ctz(sc->dead);
	struct ats_testdev_flush f = {
		.buf = victim, .dom = dom, .ep = ep, .pattern = REFILL,
		.mark = EP(LONER),
	};
	struct ats_testdev_domain arg = { .ep = ep, .dom = dom };
	bool known;

	known = command(ep, ATD_CMD_ATC_LOOKUP, VICTIM_IOVA, PAGE) == ATD_OK;
	hammer(ep, peek(ep, ATD_DATA, 8), PAGE, ATD_ATTR_RAW_TRANSLATED);
	poke(ep, ATD_MARK, 4, ATD_MARK_START);
	do_ioctl(ATS_TESTDEV_DETACH, &f, "detach");
	wait_for_attempts(ep, ENOUGH);
	do_ioctl(ATS_TESTDEV_ATTACH, &arg, "attach again");
	wait_for_attempts(ep, counter(ep, ATD_REFUSED_AFTER) + ENOUGH);
	hammer_off(ep);

	ksft_print_msg("reattach.escapes=%llu\n",
		       counter(ep, ATD_ACCEPTED_AFTER));
	ksft_print_msg("reattach.refused=%llu\n",
		       counter(ep, ATD_REFUSED_AFTER));
	ksft_test_result(known && !counter(ep, ATD_ACCEPTED_AFTER) &&
			 counter(ep, ATD_REFUSED_AFTER) >= 2 * ENOUGH &&
			 !corrupted(victim),
			 "no attach lets a fenced endpoint write\n");
}

static bool sysfs_reset(int ep)
{
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset",
		 info[ep].bdf);
	fd = open(path, O_WRONLY);
	if (fd < 0) {
		ksft_perror(path);
		return false;
	}
	ret = write(fd, "1", 1) == 1;
	if (!ret)
		ksft_perror(path);
	close(fd);
	return ret;
}

/* The last two: a reset brings ATS back, and with it flushes that are answered */
static void case_reset(void)
{
	int ep = __builtin_ctz(sc->dead);
	struct ats_testdev_flush f = { .pattern = REFILL, .mark = EP(ep) };
	bool ok;
	int i, ret;

	ok = sysfs_reset(ep);
	get_info(ep);
	ok &= !!(info[ep].flags & ATS_TESTDEV_ATS_ON);
	ksft_print_msg("reset.ats=%d\n",
		       !!(info[ep].flags & ATS_TESTDEV_ATS_ON));
	ksft_print_msg("reset.resets=%llu\n", counter(ep, ATD_RESETS));

	f.buf = alloc_buf(VICTIM_PAGES);
	map_dom(f.buf, THIRD_IOVA);
	poke(ep, ATD_CMD, 4, ATD_CMD_CLEAR_COUNTERS);
	ret = command(ep, ATD_CMD_ATC_FILL, THIRD_IOVA, VICTIM_PAGES * PAGE);
	ksft_print_msg("reset.fill=%d\n", ret);
	hammer(ep, THIRD_IOVA, VICTIM_PAGES * PAGE, ATD_ATTR_ATC);
	for (i = 0; i < patience(64); i++) {
		nap();
		if (counter(ep, ATD_ACCEPTED) >= 64)
			break;
	}
	ksft_print_msg("reset.accepted=%llu\n",
		       counter(ep, ATD_ACCEPTED));
	ok &= ret == ATD_OK && counter(ep, ATD_ACCEPTED) >= 64 &&
	      tagged(f.buf, ep).words;
	ksft_test_result(ok, "a reset brings ATS back\n");

	do_ioctl(ATS_TESTDEV_UNMAP, &f, "unmap after the reset");
	wait_for_attempts(ep, ENOUGH);
	print_flush("after_reset", &f);
	ksft_print_msg("after_reset.escapes=%llu\n",
		       counter(ep, ATD_ACCEPTED_AFTER));
	ksft_print_msg("after_reset.missed=%llu\n",
		       counter(ep, ATD_MISSED_AFTER));
	ksft_test_result(!counter(ep, ATD_ACCEPTED_AFTER) &&
			 !corrupted(f.buf) && f.ns < limit_ns() &&
			 counter(ep, ATD_MISSED_AFTER) >= ENOUGH,
			 "after the reset a flush is answered\n");
}

static void parse_option(const char *arg)
{
	static const struct {
		const char *key;
		long *val;
	} keys[] = {
		{ "cpu=", &opt.cpu },
		{ "timeout_us=", &opt.timeout_us },
		{ "late_us=", &opt.late_us },
		{ "period_us=", &opt.period_us },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!strncmp(arg, keys[i].key, strlen(keys[i].key))) {
			*keys[i].val = atol(arg + strlen(keys[i].key));
			return;
		}
	}
	ksft_exit_fail_msg("unknown option %s\n", arg);
}

int main(int argc, char **argv)
{
	size_t s;
	int i;

	ksft_print_header();
	for (s = 0; argc > 1 && s < ARRAY_SIZE(scenarios); s++) {
		if (!strcmp(argv[1], scenarios[s].name))
			sc = &scenarios[s];
	}
	if (!sc) {
		for (s = 0; s < ARRAY_SIZE(scenarios); s++)
			ksft_print_msg("%s: %s\n", scenarios[s].name,
				       scenarios[s].what);
		ksft_exit_fail_msg("usage: ats_fence SCENARIO [key=value...]\n");
	}
	for (i = 2; i < argc; i++)
		parse_option(argv[i]);

	ksft_set_plan(7 + sc->reattach + (sc->reset ? 2 : 0));
	ksft_print_msg("scenario=%s\n", sc->name);
	ksft_print_msg("%s\n", sc->what);
	setup();

	case_control();
	case_flush();
	case_healthy();
	case_second_flush();
	if (sc->reattach)
		case_reattach();
	if (sc->reset)
		case_reset();
	ksft_finished();
}
