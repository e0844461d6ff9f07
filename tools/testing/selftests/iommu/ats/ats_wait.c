// SPDX-License-Identifier: GPL-2.0
/*
 * While the SMMU waits for an endpoint that does not answer, the command queue
 * stands still, for all devices. Does a flush of another one return too early?
 *
 * Each scenario is one to four acts on as many CPUs: unmap, attach, detach, or
 * make other CPUs answer interrupts. The first one finds the dead endpoint, the
 * others begin as soon as the queue stands still (with one CPU: one after the
 * other). The oracle is that of ats_fence, for the endpoint of each act.
 *
 * Beside that: lazy flushing, where the flush comes long after the unmap and
 * what counts is that an I/O address is used again; and an SMMU that never
 * completes a CMD_SYNC nor raises an error.
 *
 * Endpoints as for ats_fence, but LONER and NEIGHBOUR have paging domains of
 * their own.
 *
 * What this is not: a measurement. The host judges how long each act waits.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/membarrier.h>

#include "ats_common.h"

#define DEAD	1
#define MAX_ACTS	5

enum verb {
	NOTHING,
	UNMAP,		/* what the endpoint's hammer writes to */
	UNMAP_OTHER,	/* pages of the same domain that no hammer uses */
	DETACH,		/* the endpoint, from its domain */
	ATTACH,		/* the endpoint, to the domain of the trio */
	/* Those that go on until the others have ended */
	INTERRUPT,	/* all other CPUs, and wait until they have answered */
	GRACE,		/* wait for an RCU grace period */
};

struct act {
	enum verb verb;
	int ep;
	bool at_once;	/* does not wait for the queue to stand still */
	bool irqs_off;	/* UNMAP */
};

struct scenario {
	struct ats_scenario is;
	struct act acts[MAX_ACTS];
	unsigned int dead;
	unsigned int absent;	/* have no part in it but that of their act */
	void (*flow)(void);	/* instead of acts */
};

static const struct scenario *sc;
static struct ats_layout lay;
static __u32 doms[MAX_EPS];
static __u32 other;			/* for UNMAP_OTHER */
static struct ats_testdev_flush flushes[MAX_ACTS];
static __u64 ignored;			/* before the first act */
static pthread_barrier_t all_placed;
static int acting;			/* of these, how many have not ended */
static long stop_ms = 150000;	/* option: what the SMMU has to be given */

static unsigned int nr_acts(void)
{
	unsigned int n = 0;

	while (n < MAX_ACTS && sc->acts[n].verb)
		n++;
	return n;
}

static bool own_domain(int ep)
{
	return !(lay.part & EP(ep)) ? false : ep == LONER || ep == NEIGHBOUR;
}

/* In a domain of its own, at the address that the trio's victim has in theirs */
static bool prepare(int ep)
{
	struct ats_area *a = &area[ep];

	if (!own_domain(ep)) {
		doms[ep] = lay.dom;
		return ats_prepare(&lay, ep);
	}
	doms[ep] = ats_domain(ep);
	ats_attach(ep, doms[ep]);
	map_dom(a->buf, doms[ep], VICTIM_IOVA);
	a->addr = VICTIM_IOVA;
	a->len = VICTIM_PAGES * PAGE;
	a->attr = ep == NEIGHBOUR ? ATD_ATTR_UNTRANSLATED : ATD_ATTR_ATC;
	return ats_fill(ep);
}

static void control(void)
{
	bool ok = true;
	int ep;

	for (ep = 0; next_ep(lay.part, &ep); ep++)
		ok &= prepare(ep) && ats_control(ep);
	case_control(ok);
}

/* Detaching a fenced endpoint empties its ATC: it goes on without */
static void hammer_raw(int ep)
{
	if (command(ep, ATD_CMD_ATC_LOOKUP, area[ep].addr, PAGE) != ATD_OK)
		ksft_exit_fail_msg("endpoint %d: nothing in its ATC\n", ep);
	area[ep].addr = peek(ep, ATD_DATA, 8);
	area[ep].attr = ATD_ATTR_RAW_TRANSLATED;
}

/* Detaches what another act unmaps for */
static bool same_as_first(unsigned int n)
{
	return n && sc->acts[n].verb == DETACH &&
	       sc->acts[n].ep == sc->acts[0].ep;
}

static void go_dead(void)
{
	unsigned int n;
	int ep;

	for (n = 1; n < MAX_ACTS; n++) {
		if (same_as_first(n))
			hammer_raw(sc->acts[n].ep);
	}

	for (ep = 0; next_ep(sc->dead, &ep); ep++)
		ats_misbehave(ep, ATD_INV_NEVER_UNTIL_RESET, 0);
	ats_hammer_all(lay.part);
	ignored = counter(__builtin_ctz(sc->dead), ATD_INV_IGNORED);
}

/* Whose writes have to end with some act */
static unsigned int targets(void)
{
	unsigned int i, eps = 0;

	for (i = 0; i < MAX_ACTS; i++) {
		if (sc->acts[i].verb == UNMAP || sc->acts[i].verb == DETACH)
			eps |= EP(sc->acts[i].ep);
	}
	return eps;
}

static void await_standstill(void)
{
	int i;

	for (i = 0; i < 1000; i++) {
		if (counter(__builtin_ctz(sc->dead), ATD_INV_IGNORED) != ignored)
			break;
		nap();
	}
}

static bool goes_on(const struct act *a)
{
	return a->verb == INTERRUPT || a->verb == GRACE;
}

static void interrupt_others(void)
{
	struct timespec from, to;
	long n, ms, longest = 0;

	for (n = 0; __atomic_load_n(&acting, __ATOMIC_RELAXED); n++) {
		clock_gettime(CLOCK_MONOTONIC, &from);
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
		clock_gettime(CLOCK_MONOTONIC, &to);
		ms = (to.tv_sec - from.tv_sec) * 1000 +
		     (to.tv_nsec - from.tv_nsec) / 1000000;
		if (ms > longest)
			longest = ms;
	}
	ksft_print_msg("interrupts=%ld\n", n);
	ksft_print_msg("interrupts.longest_ms=%ld\n", longest);
}

static void wait_for_rcu(void)
{
	while (__atomic_load_n(&acting, __ATOMIC_RELAXED))
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

static void act(unsigned int n)
{
	const struct act *a = &sc->acts[n];
	struct ats_testdev_flush *f = &flushes[n];

	*f = (struct ats_testdev_flush) {
		.buf = area[a->ep].buf, .ep = a->ep, .dom = doms[a->ep],
		.pattern = REFILL, .mark = EP(a->ep),
		.flags = a->irqs_off ? ATS_TESTDEV_IRQS_OFF : 0,
	};
	/* The first act starts the counters of endpoints that lose nothing */
	if (!n)
		f->mark |= lay.part & ~targets();
	if (a->verb == UNMAP_OTHER || same_as_first(n)) {
		f->buf = other;
		f->mark = 0;
	}

	switch (a->verb) {
	case UNMAP:
	case UNMAP_OTHER:
		do_ioctl(ATS_TESTDEV_UNMAP, f, "unmap");
		break;
	case DETACH:
		do_ioctl(ATS_TESTDEV_DETACH, f, "detach");
		break;
	case ATTACH:
		ats_attach(a->ep, lay.dom);
		break;
	case INTERRUPT:
		interrupt_others();
		break;
	case GRACE:
		wait_for_rcu();
		break;
	case NOTHING:
		break;
	}
	if (!goes_on(a))
		__atomic_sub_fetch(&acting, 1, __ATOMIC_RELAXED);
}

/*
 * The first act is on the CPU that was asked for, the others are on those that
 * follow. If they are not enough, the last one has the rest. No act begins
 * before every thread is on its CPU: one CPU will not be interrupted any more.
 */
static void *actor(void *arg)
{
	unsigned long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned long n = (unsigned long)arg;

	pin((flush_cpu() + (n < cpus ? n : cpus - 1)) % cpus);
	pthread_barrier_wait(&all_placed);
	if (n && !sc->acts[n].at_once)
		await_standstill();
	act(n);
	return NULL;
}

static void all_acts(void)
{
	unsigned long cpus = sysconf(_SC_NPROCESSORS_ONLN), n;
	pthread_t threads[MAX_ACTS];

	for (n = 0; n < nr_acts(); n++)
		acting += !goes_on(&sc->acts[n]);
	if (cpus == 1) {
		for (n = 0; n < nr_acts(); n++)
			act(n);
		return;
	}
	/* Takes a grace period once there are threads */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
		    0, 0))
		ksft_exit_fail_msg("membarrier: %s\n", strerror(errno));
	pthread_barrier_init(&all_placed, NULL, nr_acts());
	for (n = 0; n < nr_acts(); n++) {
		if (pthread_create(&threads[n], NULL, actor, (void *)n))
			ksft_exit_fail_msg("pthread_create\n");
	}
	for (n = 0; n < nr_acts(); n++)
		pthread_join(threads[n], NULL);
}

static void judge(void)
{
	struct ats_verdict v = { .rejected = ~0ULL };
	bool going = true;
	int ep;

	ats_go_on(lay.part);
	ats_hammers_off(lay.part);
	for (ep = 0; next_ep(lay.part, &ep); ep++) {
		print_counters(ep);
		if (!(targets() & EP(ep))) {
			going &= counter(ep, ATD_ACCEPTED_AFTER) > 0;
			continue;
		}
		ats_judge(ep, ATD_REFUSED_AFTER, &v);
		v.corrupted += corrupted(area[ep].buf);
	}
	case_verdict(&v);
	case_others(going);
}

/* From the positive control to the end of the last act */
static void run_acts(void)
{
	control();
	other = alloc_buf(1);
	map_dom(other, lay.dom, SECOND_IOVA);
	go_dead();
	all_acts();
}

static void print_acts(void)
{
	char name[16];
	unsigned int n;

	for (n = 0; n < nr_acts(); n++) {
		snprintf(name, sizeof(name), "act%u", n);
		print_flush(n ? name : "flush", &flushes[n]);
	}
}

static void flow_acts(void)
{
	int ep;

	run_acts();
	print_acts();
	judge();
	/* Without a fence each step that follows would take a timeout */
	for (ep = 0; next_ep(sc->dead, &ep); ep++)
		ats_misbehave(ep, ATD_INV_ANSWER, 0);
}

static void *waiter_for_rcu(void *unused)
{
	wait_for_rcu();
	return unused;
}

static pid_t find_task(const char *name)
{
	char path[64], comm[32];
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	pid_t pid = 0;
	FILE *f;

	while (proc && !pid && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%.16s/comm", entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) &&
		    !strncmp(comm, name, strlen(name)))
			pid = atoi(entry->d_name);
		fclose(f);
	}
	if (proc)
		closedir(proc);
	return pid;
}

/*
 * Has khungtaskd, which looks for hung tasks, sleep on a CPU that will not be
 * busy: its timer is where it went to sleep. A write to its period wakes it.
 */
static void watch_from(unsigned int cpu)
{
	static const char period[] = "/proc/sys/kernel/hung_task_timeout_secs";
	char text[16] = "";
	cpu_set_t set;
	FILE *f;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	f = fopen(period, "r+");
	if (!f || !fgets(text, sizeof(text), f) ||
	    sched_setaffinity(find_task("khungtaskd"), sizeof(set), &set))
		ksft_exit_fail_msg("khungtaskd: %s\n", strerror(errno));
	rewind(f);
	fputs(text, f);
	fclose(f);
}

/*
 * The detectors are to be quiet while the driver waits for the SMMU, and no
 * longer. So a CPU hangs without an excuse, and a thread waits for it. What the
 * detectors say of it is for the host to read, behind this line of the log.
 */
static void flow_all_wait(void)
{
	static const char line[] = "ats_wait: a CPU is stuck on purpose\n";
	struct ats_testdev_stuck stuck = { .ms = 45000 };
	unsigned long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t waiter;
	int fd;

	/* The last act sleeps, on a CPU of its own if there are enough */
	if (cpus >= nr_acts())
		watch_from((flush_cpu() + nr_acts() - 1) % cpus);
	flow_acts();
	fd = open("/dev/kmsg", O_WRONLY);
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		ksft_exit_fail_msg("/dev/kmsg: %s\n", strerror(errno));
	close(fd);
	acting = 1;
	if (pthread_create(&waiter, NULL, waiter_for_rcu, NULL))
		ksft_exit_fail_msg("pthread_create\n");
	pin(flush_cpu());
	do_ioctl(ATS_TESTDEV_STUCK, &stuck, "stuck");
	__atomic_store_n(&acting, 0, __ATOMIC_RELAXED);
	pthread_join(waiter, NULL);
}

/*
 * The unmap returns before anything was flushed: that is what lazy means. The
 * flush has to be over before the I/O address is used for other pages. I/O
 * addresses are cached by CPU: ask on all of them.
 */
static void flow_lazy(void)
{
	struct ats_testdev_flush f = { .pattern = REFILL };
	struct ats_verdict v = { .rejected = ~0ULL };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int ep = __builtin_ctz(sc->dead);
	__u64 iova = 0;
	int i, n;

	control();
	f.buf = lay.victim;
	f.mark = EP(LONER);
	go_dead();
	pin(flush_cpu());
	do_ioctl(ATS_TESTDEV_UNMAP, &f, "unmap");
	for (i = 0; i < 10 && iova != area[ep].addr; i++) {
		for (n = 0; n < 20; n++)
			nap();
		pin((flush_cpu() + i) % cpus);
		iova = map_dma(alloc_buf(VICTIM_PAGES), ep);
	}
	ats_fill_buf(lay.victim, REFILL);
	mark(EP(ep));
	ats_go_on(EP(ep));
	ats_hammers_off(lay.part);

	print_flush("flush", &f);
	ksft_print_msg("lazy.asked=%d\n", i);
	print_counters(ep);
	ats_judge(ep, ATD_REFUSED_AFTER, &v);
	v.corrupted = corrupted(lay.victim);
	ats_print_verdict(&v);
	ksft_test_result(f.ns < opt.timeout_us * 1000ULL / 2,
			 "the unmap did not wait for a flush\n");
	ksft_test_result(iova == area[ep].addr,
			 "its I/O address was used again\n");
	ksft_test_result(!v.escapes && !v.corrupted,
			 "no write lands after the address was used again\n");
	ksft_test_result(v.rejected >= ENOUGH,
			 "targets tried in vain at least %d times\n", ENOUGH);
	ats_misbehave(ep, ATD_INV_ANSWER, 0);
}

/* Lines of level 0 in the kernel's log */
static int emergencies(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), n = 0;
	char line[1024];
	ssize_t len;

	for (;;) {
		len = read(fd, line, sizeof(line) - 1);
		if (len < 0 && errno == EPIPE)
			continue;
		if (len <= 0)
			break;
		line[len] = '\0';
		if (!(atoi(line) & 7) && strstr(line, "smmu"))
			n++;
	}
	close(fd);
	return n;
}

static unsigned long taint(void)
{
	unsigned long val = 0;
	FILE *f = fopen("/proc/sys/kernel/tainted", "r");

	if (f && fscanf(f, "%lu", &val) != 1)
		val = 0;
	if (f)
		fclose(f);
	return val;
}

/*
 * No CMD_SYNC completes any more, and there is no error: no flush may return as
 * long as DMA goes on. In the end the driver stops the SMMU. From then on the
 * SMMU aborts all DMA, and no flush waits for it.
 */
static void flow_stop(void)
{
	struct ats_verdict v = { .rejected = ~0ULL };
	unsigned long old = taint();
	bool stopped = true, in_time = true;
	struct ats_testdev_flush f;
	unsigned int n;
	int ep;

	run_acts();
	/* Without an error no endpoint is blamed */
	ksft_print_msg("ep%d.spared=1\n", DEAD);
	mark(ALL_EPS & ~targets());
	ats_fill_buf(lay.victim, REFILL);
	ats_go_on(lay.part);
	ats_hammers_off(lay.part);
	print_acts();
	for (n = 0; n < nr_acts(); n++) {
		/* However late it began: the queue stands still since the first */
		in_time &= flushes[n].end >= flushes[0].start +
					     stop_ms * 1000000ULL;
	}
	for (ep = 0; next_ep(lay.part, &ep); ep++) {
		print_counters(ep);
		if (targets() & EP(ep))
			ats_judge(ep, ATD_REFUSED_AFTER, &v);
		/* An endpoint that has answered has less to try with */
		stopped &= !counter(ep, ATD_ACCEPTED_AFTER) &&
			   counter(ep, ATD_REFUSED_AFTER);
	}
	v.corrupted = corrupted(lay.victim);
	ats_print_verdict(&v);
	ksft_test_result(!v.escapes && !v.corrupted,
			 "no write lands after the flush returned\n");
	ksft_test_result(stopped, "the DMA of all endpoints is aborted\n");
	ksft_test_result(in_time, "the SMMU had %ld ms\n", stop_ms);

	f = (struct ats_testdev_flush) { .buf = other };
	do_ioctl(ATS_TESTDEV_UNMAP, &f, "unmap");
	print_flush("after", &f);
	/* Not even for the second of a poll; other CPUs may print meanwhile */
	ksft_test_result(f.ns < 100000000, "the next flush does not wait for it\n");
	ksft_print_msg("stop.taint=%#lx\n", taint() & ~old);
	ksft_test_result(taint() & ~old, "the kernel is tainted\n");
	ksft_test_result(emergencies() == 1, "the log says so, once\n");
}

#define STOPS	"needs an SMMU that completes no CMD_SYNC, and stops it until reboot"

static const struct scenario scenarios[] = {
	{ { "neighbour-detach", "a device without ATS is detached meanwhile" },
	  .dead = EP(DEAD), .acts = { { UNMAP, DEAD }, { DETACH, NEIGHBOUR } } },
	{ { "two-domains", "two dead endpoints, each with a domain" },
	  .dead = EP(DEAD) | EP(LONER),
	  .acts = { { UNMAP, DEAD }, { UNMAP, LONER } } },
	{ { "two-domains-at-once", "the same, flushed at the same time" },
	  .dead = EP(DEAD) | EP(LONER),
	  .acts = { { UNMAP, DEAD }, { UNMAP, LONER, .at_once = true } } },
	{ { "detach-meanwhile", "the dead one is detached while others wait" },
	  .dead = EP(DEAD), .acts = { { UNMAP, DEAD }, { DETACH, DEAD } } },
	{ { "everybody-waits", "attach, flush and interrupts on other CPUs",
	    "a CPU hangs on purpose, and the host has to read the log" },
	  .dead = EP(DEAD), .absent = EP(LONER),
	  .acts = { { UNMAP, DEAD, .irqs_off = true }, { ATTACH, LONER },
		    { UNMAP_OTHER, 0 }, { INTERRUPT },
		    { GRACE, .at_once = true } },
	  .flow = flow_all_wait },
	{ { "lazy", "the flush comes later, from a queue" },
	  .dead = EP(0), .flow = flow_lazy },
	{ { "stop", "no CMD_SYNC completes any more", STOPS },
	  .dead = EP(DEAD), .acts = { { UNMAP, DEAD } }, .flow = flow_stop },
	{ { "stop-all", "the same, and others flush and detach meanwhile",
	    STOPS },
	  .dead = EP(DEAD),
	  .acts = { { UNMAP, DEAD }, { UNMAP, LONER }, { DETACH, NEIGHBOUR } },
	  .flow = flow_stop },
};

/* The type of the default domain */
static bool is_lazy(int ep)
{
	char path[96], type[32] = "";
	FILE *f;

	ats_sysfs(path, sizeof(path), ep, "iommu_group/type");
	f = fopen(path, "r");
	must(f && fgets(type, sizeof(type), f), path);
	fclose(f);
	return !strncmp(type, "DMA-FQ", 6);
}

static unsigned int plan(void)
{
	if (sc->flow == flow_lazy)
		return 5;
	if (sc->flow == flow_stop)
		return 7;
	return 4;
}

int main(int argc, char **argv)
{
	static const struct ats_option more[] = {
		{ "stop_ms", &stop_ms },
		{ }
	};

	ksft_print_header();
	sc = ats_choose(argc, argv, scenarios, ARRAY_SIZE(scenarios),
			sizeof(scenarios[0]), more);
	ats_start(&sc->is);
	if (sc->flow == flow_lazy && !is_lazy(__builtin_ctz(sc->dead)))
		ksft_exit_skip("the default domain is not lazy: needs iommu.strict=0\n");
	ksft_set_plan(plan());
	lay.targets = sc->dead & (EP(TRIO) - 1);
	lay.alone = sc->flow == flow_lazy;
	ats_setup(&lay);
	lay.part &= ~sc->absent;
	if (lay.alone)
		lay.part = sc->dead;

	if (sc->flow)
		sc->flow();
	else
		flow_acts();
	ksft_finished();
}
