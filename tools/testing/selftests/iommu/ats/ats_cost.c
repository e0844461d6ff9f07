// SPDX-License-Identifier: GPL-2.0
/*
 * What does a flush cost when all endpoints answer, and how long does it take
 * until those that do not are fenced?
 *
 * Prints numbers as "# key=value". Whether one is good depends on the same
 * number of a kernel without the fence, which this program does not know. So the
 * runner of kselftests does not start it.
 *
 *  cost	virtual ns of iommu_map() + iommu_unmap() of one page, in domains
 *		with 0 to 200 functions with ATS: before anything failed, while
 *		another function is fenced, and after that one was reset. Makes
 *		sense only with instruction counting.
 *  time	virtual ns of flushes that meet functions which do not answer.
 *		"submitters" of them at once, a CPU each.
 *
 * Endpoints: 0 to 3 with ATS and 4 without, alone in their slots. For "cost" 25
 * more slots, from 6 on, with 8 functions with ATS each; for "time" 3 more
 * endpoints with ATS.
 *
 * What this is not: a test of whether anything escapes, see ats_fence.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "ats_common.h"

#define CLOCK		4	/* the endpoint whose clock is read */
/*
 * cost: in a domain of its own. Its Stream ID is between those of a domain with
 * 65 functions, and above that of one with a single function.
 */
#define DEAD		1

/* cost: slots on the first bus */
#define PLAIN_SLOT	5
#define SINGLE_SLOT	1
#define FIRST_SLOT	6
#define FUNCTIONS	8
#define DEVFN(slot)	((slot) << 3)

/* time */
#define MAX_SUBMITTERS	4
#define IOVA(n)		(VICTIM_IOVA + (n) * PAGE)

struct program {
	struct ats_scenario sc;
	void (*run)(void);
};

static long submitters = 1;

static void open_module(void)
{
	if (ats_open())
		ksft_exit_skip("%s: %s\n", ATS_DEV, strerror(errno));
}

/* A domain with n functions with ATS, or with one function without */
static void measure(const char *phase, unsigned int n)
{
	struct ats_testdev_cost arg = {
		.ep = CLOCK, .rounds = 16, .iova = VICTIM_IOVA,
	};
	unsigned int i;

	if (!n)
		arg.devfn[arg.nr++] = DEVFN(PLAIN_SLOT);
	if (n % FUNCTIONS)
		arg.devfn[arg.nr++] = DEVFN(SINGLE_SLOT);
	for (i = 0; i < n / FUNCTIONS; i++)
		arg.devfn[arg.nr++] = DEVFN(FIRST_SLOT + i);
	do_ioctl(ATS_TESTDEV_COST, &arg, "cost");

	/* The first round allocates page tables */
	for (i = 0; i < arg.rounds; i++)
		ksft_print_msg("%s.%u.%u=%llu\n", phase, n, i, arg.ns[i]);
}

static void measure_all(const char *phase)
{
	static const unsigned int n[] = { 0, 1, 8, 64, 65, 200 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(n); i++)
		measure(phase, n[i]);
	ksft_test_result_pass("%s\n", phase);
}

static void cost(void)
{
	struct ats_testdev_flush flush = { .mark = EP(DEAD) };

	open_module();
	ksft_set_plan(4);
	measure_all("healthy");

	flush.buf = alloc_buf(1);
	map_dma(flush.buf, DEAD);
	poke(DEAD, ATD_INV_MODE, 4, ATD_INV_NEVER_UNTIL_RESET);
	do_ioctl(ATS_TESTDEV_UNMAP, &flush, "unmap");
	measure_all("fenced");

	get_info(DEAD);
	ksft_test_result(sysfs_reset(DEAD) && ats_is_on(DEAD), "reset\n");
	measure_all("after");
}

struct submitter {
	pthread_t thread;
	long cpu;
	struct ats_testdev_flush flush;
};

/* Endpoints with ATS, those that go dead last: the healthy are asked first */
static const int members[] = { 0, 1, 2, 3, 5, 6, 7 };

static long arrived;

static void *submit(void *arg)
{
	struct submitter *s = arg;

	pin(s->cpu);
	__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < submitters)
		;
	do_ioctl(ATS_TESTDEV_UNMAP, &s->flush, "unmap");
	return NULL;
}

static void print_result(const char *name, const struct submitter *s,
			 unsigned int asked)
{
	__u64 start = s->flush.start, end = s->flush.end;
	long i;

	for (i = 1; i < submitters; i++) {
		if (s[i].flush.start < start)
			start = s[i].flush.start;
		if (s[i].flush.end > end)
			end = s[i].flush.end;
	}
	ksft_print_msg("%s.ns=%llu\n", name, end - start);
	ksft_print_msg("%s.asked=%u\n", name, asked);
}

/* Of the first n members the last k do not answer */
static void time_one(unsigned int n, unsigned int k)
{
	struct submitter s[MAX_SUBMITTERS] = {};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int i, asked = 0;
	char name[32];
	bool ok = true;
	__u32 dom;
	long m;

	snprintf(name, sizeof(name), "dead%uof%u", k, n);
	must(!ats_open(), ATS_DEV);
	dom = ats_domain(CLOCK);
	for (i = 0; i < n; i++) {
		ats_attach(members[i], dom);
		poke(members[i], ATD_CMD, 4, ATD_CMD_CLEAR_COUNTERS);
	}
	for (m = 0; m < submitters; m++) {
		/* GERROR goes to CPU 0: that one is the last to be used */
		s[m].cpu = cpus - 1 - m;
		s[m].flush.buf = alloc_buf(1);
		s[m].flush.mark = EP(CLOCK);
		map_dom(s[m].flush.buf, dom, IOVA(m));
	}
	for (i = n - k; i < n; i++)
		poke(members[i], ATD_INV_MODE, 4, ATD_INV_NEVER_UNTIL_RESET);

	arrived = 0;
	for (m = 0; m < submitters; m++)
		if (pthread_create(&s[m].thread, NULL, submit, &s[m]))
			ksft_exit_fail_msg("pthread_create\n");
	for (m = 0; m < submitters; m++)
		pthread_join(s[m].thread, NULL);

	for (i = n - k; i < n; i++)
		asked += counter(members[i], ATD_INV_RECEIVED);
	print_result(name, s, asked);
	for (i = n - k; i < n; i++) {
		get_info(members[i]);
		ok &= sysfs_reset(members[i]) && ats_is_on(members[i]);
	}
	close(dev);
	ksft_test_result(ok, "%s\n", name);
}

static void time_all(void)
{
	static const struct {
		unsigned int n, k;
		bool alone;
	} rows[] = {
		{ 1, 1 }, { 7, 1 }, { 7, 2 }, { 7, 3, true }, { 7, 7, true },
	};
	unsigned int plan = 0;
	size_t i;

	if (submitters < 1 || submitters > MAX_SUBMITTERS)
		ksft_exit_fail_msg("submitters=%ld\n", submitters);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		plan += !rows[i].alone || submitters == 1;
	open_module();
	close(dev);
	ksft_set_plan(plan);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (!rows[i].alone || submitters == 1)
			time_one(rows[i].n, rows[i].k);
}

static const struct program programs[] = {
	{ { "cost", "of a flush that all endpoints answer",
	    "prints numbers to compare with those of another kernel" }, cost },
	{ { "time", "of a flush that some endpoints do not answer",
	    "prints numbers to compare with those of another kernel" },
	  time_all },
};

static const struct ats_option more[] = {
	{ "submitters", &submitters },
	{ }
};

int main(int argc, char **argv)
{
	const struct program *p;

	ksft_print_header();
	p = ats_choose(argc, argv, programs, ARRAY_SIZE(programs),
		       sizeof(programs[0]), more);
	ksft_print_msg("scenario=%s\n", p->sc.name);
	p->run();
	ksft_finished();
}
