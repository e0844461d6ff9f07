/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs here share: the endpoints, the module's ioctls, and the
 * hammers as an oracle for writes that land after a flush has returned.
 *
 * A program NAME.c beside this file does
 *
 *	ksft_print_header();
 *	sc = ats_choose(argc, argv, scenarios, ARRAY_SIZE(scenarios),
 *			sizeof(scenarios[0]), NULL);
 *	ats_start(&sc->is);
 *	ksft_set_plan(...);
 *
 * where each element of scenarios[] begins with a struct ats_scenario. Without
 * the name of a scenario ats_choose() runs all of them, see ats_runner.c. What
 * a machine may lack is looked for before the plan is printed, and reported by
 * ksft_exit_skip() with the reason.
 *
 * Then ats_setup(), and for each endpoint that takes part ats_prepare() or, if
 * the layout is another, area[ep] and ats_fill(); then ats_control(), the
 * positive control, one at a time; ats_misbehave() for those that shall not
 * answer; ats_hammer_all(); the flush with ATS_TESTDEV_UNMAP or _DETACH, whose
 * ioctl starts the _AFTER counters and refills the page the moment the kernel's
 * function has returned (a program that flushes in another way writes ATD_MARK
 * at once and calls ats_fill_buf()); ats_go_on(); and ats_judge() for each
 * target, with ats_print_verdict() in the end: the host wants escapes=,
 * corrupted=, rejected= and "epN.target=1" from every scenario.
 *
 * An endpoint that another driver owns (vfio-pci): map its BAR 0 and hand it to
 * ats_set_bar(); all registers are then reached through it, without the module.
 *
 * Cases are reported by the program alone: kselftest.h counts them in static
 * variables, one set for each file. That is why the cases which several programs
 * have are inline functions, at the end. Numbers for the host are lines
 * "# key=value".
 *
 * tools/bench of the project that carries the emulator boots a guest that runs
 * NAME: "ats.program=NAME ats.scenario=SCENARIO ats.KEY=VALUE..." on the kernel's
 * command line. A line in its scenarios.py names program and scenario.
 *
 * What this is not: a library for tests of other devices.
 */
#ifndef ATS_COMMON_H
#define ATS_COMMON_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "kselftest.h"
#include "ats-testdev-regs.h"
#include "module/ats_testdev_uapi.h"

#define ATS_DEV		"/dev/ats_testdev"

#define NR_EPS		5	/* that are always there */
#define MAX_EPS		ATS_TESTDEV_MAX_EPS
#define TRIO		3	/* endpoints 0 to 2 share a domain */
#define LONER		3	/* ATS, a domain of its own */
#define NEIGHBOUR	4	/* no ATS, a domain of its own */
#define PLUGGED		5	/* and on: ATS, if the machine has them at all */
#define EP(n)		(1u << (n))
#define ALL_EPS		(EP(NR_EPS) - 1)

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
#define SEEN		64	/* writes that prove that it reaches memory */

#define RID		0	/* as a PASID: the endpoint without one */

struct ats_scenario {
	const char *name;
	const char *what;
	const char *by_name;	/* why it runs only by name, or NULL */
};

/* "key=value" on the command line; a table ends with key = NULL */
struct ats_option {
	const char *key;
	long *val;
};

struct ats_opt {
	long cpu;		/* that flushes; -1: the last one */
	long timeout_us;	/* the SMMU's, for what is "at once" */
	long late_us;
	long period_us;		/* of the hammers */
	long gerror_cpu;	/* that gets the SMMU's errors; -1: as it is */
};

/* What an endpoint's hammer writes to */
struct ats_area {
	__u32 buf;
	__u32 attr;
	__u64 addr;
	__u64 len;
};

/* Which endpoints share a domain, and what they lose. ats_setup() adds the rest */
struct ats_layout {
	unsigned int targets;	/* their hammers know nothing but the victim */
	unsigned int others;	/* beyond NR_EPS, that keep what they write to */
	bool alone;		/* one target, victim mapped by the DMA API */
	bool keep_off;		/* others of the trio keep off the victim */

	unsigned int part;	/* endpoints that take part */
	__u32 dom;
	__u32 victim;
	__u32 kept;
};

struct ats_verdict {
	__u64 escapes;		/* accepted after the flush returned */
	__u64 corrupted;	/* words in memory, likewise */
	__u64 rejected;		/* least of all targets' vain attempts */
};

extern struct ats_opt opt;
extern int dev;
extern struct ats_testdev_info info[MAX_EPS];
extern struct ats_area area[MAX_EPS];
extern __u64 before[MAX_EPS];		/* accepted before the flush */

const void *ats_choose(int argc, char **argv, const void *table, size_t n,
		       size_t size, const struct ats_option *more);
void ats_start(const struct ats_scenario *sc);

/* A run of all scenarios: ats_runner.c */
__noreturn void ats_run_all(int argc, char **argv, const void *table, size_t n,
			    size_t size);
bool ats_has_module_file(void);
bool ats_load_module(void);
bool ats_unload_module(void);

/* Ends the program with what is wrong, and errno, unless @ok */
void must(bool ok, const char *what);

/* for (ep = 0; next_ep(eps, &ep); ep++): each endpoint of a bit mask */
bool next_ep(unsigned int eps, int *ep);

/* The module. These end the program if the ioctl fails */
int ats_open(void);
void ats_add_endpoint(int ep);
void do_ioctl(unsigned long cmd, void *arg, const char *what);
void get_info(int ep);
bool ats_there(int ep);
bool ats_is_on(int ep);
__u32 alloc_buf(unsigned int pages);
__u32 ats_domain(int ep);
void ats_attach(int ep, __u32 dom);
void map_dom(__u32 buf, __u32 dom, __u64 iova);
__u64 map_dma(__u32 buf, int ep);
void ats_fill_buf(__u32 buf, __u64 pattern);

/* The endpoints' registers */
void ats_set_bar(int ep, void *bar);
__u64 peek(int ep, __u32 off, __u32 size);
void poke(int ep, __u32 off, __u32 size, __u64 val);
__u64 counter(int ep, __u32 off);
int command(int ep, __u32 cmd, __u64 addr, __u64 len);
void hammer(int ep, __u64 addr, __u64 len, __u32 attr);
void hammer_off(int ep);
void mark(unsigned int eps);
void use_pasid(int ep, __u32 pasid);

/* sysfs and config space of the endpoint's PCI device */
bool sysfs_write(int ep, const char *file, const char *text);
bool sysfs_reset(int ep);
bool offers_reset(int ep, const char *method);
void ats_sysfs(char *path, size_t size, int ep, const char *file);
int find_ext_cap(int fd, __u64 config, int id);
bool has_pasids(int ep);

/* Time */
__u64 now_ns(void);
void nap(void);
__u64 limit_ns(void);
int patience(unsigned int attempts);
void pin(long cpu);
void start_beside(pthread_t *thread, void *(*fn)(void *), void *arg);
long flush_cpu(void);

/* The oracle */
void ats_setup(struct ats_layout *lay);
bool ats_prepare(const struct ats_layout *lay, int ep);
bool ats_fill(int ep);
bool ats_control(int ep);
void ats_misbehave(int ep, __u32 mode, __u32 arg);
void ats_hammer_all(unsigned int eps);
void ats_go_on(unsigned int eps);
void ats_hammers_off(unsigned int eps);
struct ats_testdev_check tagged(__u32 buf, int ep);
__u64 corrupted(__u32 buf);
__u64 attempts_after(int ep);
void wait_for_attempts(int ep, __u64 n);
void print_counters(int ep);
void print_flush(const char *name, const struct ats_testdev_flush *f);
bool ats_answered(int ep);
bool ats_writes_land(int ep, const __u64 *p);
void refill(__u64 *p);
__u64 changed(const __u64 *p);
void ats_judge(int ep, __u32 in_vain, struct ats_verdict *v);
void ats_print_verdict(const struct ats_verdict *v);

/*
 * Cases that several programs have
 */

static inline void case_control(bool ok)
{
	ksft_test_result(ok, "positive control: every hammer is seen in memory\n");
}

static inline void case_verdict(const struct ats_verdict *v)
{
	ats_print_verdict(v);
	ksft_test_result(!v->escapes && !v->corrupted,
			 "no write lands after the flush returned\n");
	ksft_test_result(v->rejected >= ENOUGH,
			 "targets tried in vain at least %d times\n", ENOUGH);
}

/*
 * A flush after the fence. If the dead endpoint is still asked, all that follows
 * would cost a timeout each: it answers from now on.
 */
static inline void case_not_asked(int ep, __u64 asked, __u64 ns,
				  const char *name)
{
	ksft_print_msg("second.ns=%llu\n", ns);
	ksft_print_msg("second.asked_dead=%llu\n", asked);
	ksft_test_result(!asked && ns < limit_ns(), "%s\n", name);
	if (asked)
		ats_misbehave(ep, ATD_INV_ANSWER, 0);
}

static inline void case_others(bool went_on)
{
	ksft_test_result(went_on, "the DMA of all other endpoints went on\n");
}

#endif /* ATS_COMMON_H */
