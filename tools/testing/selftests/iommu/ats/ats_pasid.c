// SPDX-License-Identifier: GPL-2.0
/*
 * Does a device still write through any of its PASIDs after the flush of one
 * of them has returned?
 *
 * The RID and all PASIDs of a device share one STE, so one EATS: a device that
 * does not answer for one of them is fenced for all. As ats_fence, with the
 * same oracle, for paging domains that are attached to PASIDs, and for the
 * address space of a process (SVA), whose flushes come from munmap() and from
 * its exit.
 *
 * A page that a process has lost is seen through a second mapping of the same
 * file: nothing else ever uses it, so a write that lands does no harm.
 *
 * Needs root, the module, and endpoints 0 and 1 with ATS and PASID.
 *
 * What this is not: a test of page requests. The pages are there, or the
 * translation fails.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ats_common.h"

#define HEALTHY		0	/* takes part wherever the target does */
#define TARGET		1	/* goes dead */
#define BOTH		(EP(HEALTHY) | EP(TARGET))

struct scenario {
	struct ats_scenario s;
	unsigned int plan;
	void (*run)(void);
	bool sva;
};

/*
 * The target's address spaces. All of them have the victim at the same address,
 * so that only the PASID tells them apart.
 */
static struct space {
	const char *name;
	__u32 pasid;
	__u32 dom;
	__u32 buf;
} spaces[] = {
	{ .name = "pasid1", .pasid = 1 },
	{ .name = "pasid2", .pasid = 2 },
	{ .name = "rid", .pasid = RID },
};

static size_t nr_spaces;

static void pasid_ioctl(unsigned long cmd, int ep, __u32 pasid, __u32 dom,
			const char *what)
{
	struct ats_testdev_pasid arg = {
		.ep = ep, .pasid = pasid, .dom = dom,
	};

	do_ioctl(cmd, &arg, what);
}

static void pasid_attach(int ep, __u32 pasid, __u32 dom)
{
	pasid_ioctl(ATS_TESTDEV_PASID_ATTACH, ep, pasid, dom, "PASID attach");
}

static void pasid_detach(int ep, __u32 pasid)
{
	pasid_ioctl(ATS_TESTDEV_PASID_DETACH, ep, pasid, 0, "PASID detach");
}

/* For the host, which looks into the trace for what was sent meanwhile */
static void print_fenced(const char *what)
{
	ksft_print_msg("fenced.%s=%llu\n", what, counter(TARGET, ATD_TIME));
}

/*
 * Paging domains
 */

static void aim(int ep, __u32 buf, __u64 addr, unsigned int pages)
{
	area[ep] = (struct ats_area) {
		.buf = buf, .attr = ATD_ATTR_ATC, .addr = addr,
		.len = pages * PAGE,
	};
}

/* Lets the target's hammer, and commands, work in one of its spaces */
static void aim_at_space(const struct space *sp)
{
	use_pasid(TARGET, sp->pasid);
	aim(TARGET, sp->buf, VICTIM_IOVA, VICTIM_PAGES);
}

/*
 * The RIDs of both share a domain, and so do their PASIDs 1. PASID 2 is the
 * target's alone. With @identity the target's RID has no translation and no ATC:
 * its STE changes when the first PASID comes and when the last one goes.
 */
static void setup_domains(bool identity)
{
	struct ats_testdev_static arg = {
		.ep = TARGET, .kind = ATS_TESTDEV_IDENTITY,
	};
	__u32 kept = alloc_buf(KEPT_PAGES);
	size_t i;

	nr_spaces = ARRAY_SIZE(spaces) - identity;
	for (i = 0; i < nr_spaces; i++) {
		spaces[i].dom = ats_domain(TARGET);
		spaces[i].buf = alloc_buf(VICTIM_PAGES);
		map_dom(spaces[i].buf, spaces[i].dom, VICTIM_IOVA);
	}
	if (identity) {
		do_ioctl(ATS_TESTDEV_STATIC, &arg, "identity domain");
		ats_attach(TARGET, arg.dom);
	} else {
		ats_attach(HEALTHY, spaces[2].dom);
		ats_attach(TARGET, spaces[2].dom);
	}
	pasid_attach(HEALTHY, 1, spaces[0].dom);
	pasid_attach(TARGET, 1, spaces[0].dom);
	pasid_attach(TARGET, 2, spaces[1].dom);

	/* Its ATC also knows the victim: a flush has to take that from it */
	map_dom(kept, spaces[0].dom, KEPT_IOVA);
	use_pasid(HEALTHY, 1);
	aim(HEALTHY, kept, KEPT_IOVA, KEPT_PAGES + VICTIM_PAGES);
}

/* The target's hammer reaches memory in each of its spaces */
static bool all_spaces_work(void)
{
	bool ok = true;
	size_t i;

	for (i = 0; i < nr_spaces; i++) {
		aim_at_space(&spaces[i]);
		ok &= ats_fill(TARGET) && ats_control(TARGET);
	}
	return ok;
}

static void control(void)
{
	bool ok;

	ok = ats_fill(HEALTHY) && ats_control(HEALTHY);
	area[HEALTHY].len = KEPT_PAGES * PAGE;
	ok &= all_spaces_work();
	case_control(ok);
}

/* After the mark: gives both endpoints time, and prints what they did */
static void go_on(__u64 flush_ns)
{
	ats_go_on(BOTH);
	ats_hammers_off(BOTH);
	print_fenced("start");
	ksft_print_msg("flush.ns=%llu\n", flush_ns);
	print_counters(HEALTHY);
	print_counters(TARGET);
}

/* How one of the spaces loses its victim */
static void take_away(const struct space *sp, struct ats_testdev_flush *f)
{
	*f = (struct ats_testdev_flush) {
		.buf = sp->buf, .pattern = REFILL, .mark = BOTH,
	};
	do_ioctl(ATS_TESTDEV_UNMAP, f, "unmap");
}

/* The target's attempts after the mark, which is all one of its spaces */
static void judge_space(const struct space *sp, struct ats_verdict *v)
{
	__u64 escapes = counter(TARGET, ATD_ACCEPTED_AFTER);
	__u64 refused = counter(TARGET, ATD_REFUSED_AFTER);

	ksft_print_msg("%s.target=1\n", sp->name);
	ksft_print_msg("%s.accepted_after=%llu\n", sp->name, escapes);
	ksft_print_msg("%s.refused_after=%llu\n", sp->name, refused);
	v->escapes += escapes;
	v->corrupted += corrupted(sp->buf);
	if (refused < v->rejected)
		v->rejected = refused;
}

/* @stale: an address that its ATC must no longer know, or 0 */
static void case_healthy(bool went_on, __u64 stale)
{
	bool ok = true;

	if (stale)
		ok = command(HEALTHY, ATD_CMD_ATC_LOOKUP, stale, PAGE) ==
		     ATD_E_MISS;
	case_others(went_on);
	command(HEALTHY, ATD_CMD_ATC_DROP, 0, 0);
	ksft_test_result(ok && ats_is_on(HEALTHY) && ats_fill(HEALTHY),
			 "endpoints that answer keep ATS\n");
}

static bool reset_target(void)
{
	bool ok;

	print_fenced("end");
	ok = sysfs_reset(TARGET);
	ksft_print_msg("reset.ats=%d\n", ats_is_on(TARGET));
	ksft_print_msg("reset.resets=%llu\n", counter(TARGET, ATD_RESETS));
	return ok && ats_is_on(TARGET);
}

/*
 * A reset brings ATS back for the RID and for each PASID that is attached, and
 * with it flushes that are answered.
 */
static void case_reset(void)
{
	bool ok = reset_target(), answered = true;
	struct ats_testdev_flush f;
	size_t i;

	for (i = 0; i < nr_spaces; i++) {
		ats_fill_buf(spaces[i].buf, 0);
		map_dom(spaces[i].buf, spaces[i].dom, VICTIM_IOVA);
	}
	ok &= all_spaces_work();
	ksft_test_result(ok, "a reset brings ATS back\n");

	for (i = 0; i < nr_spaces; i++) {
		aim_at_space(&spaces[i]);
		ats_hammer_all(EP(TARGET));
		take_away(&spaces[i], &f);
		wait_for_attempts(TARGET, ENOUGH);
		hammer_off(TARGET);
		answered &= f.ns < limit_ns() && !corrupted(spaces[i].buf) &&
			    ats_answered(TARGET);
	}
	ksft_test_result(answered, "after the reset a flush is answered\n");
}

/*
 * The flush of one PASID finds the endpoint dead, then the others lose their
 * pages: no flush asks it again, and no write lands.
 */
static void run_domains(void)
{
	struct ats_verdict v = { .rejected = ~0ULL };
	__u64 asked = 0, ns = 0;
	struct ats_testdev_flush f;
	bool all = true, went_on = true;
	size_t i;

	setup_domains(false);
	control();
	ats_misbehave(TARGET, ATD_INV_NEVER_UNTIL_RESET, 0);

	for (i = 0; i < nr_spaces; i++) {
		aim_at_space(&spaces[i]);
		ats_hammer_all(BOTH);
		asked -= i ? counter(TARGET, ATD_INV_RECEIVED) : 0;
		take_away(&spaces[i], &f);
		asked += i ? counter(TARGET, ATD_INV_RECEIVED) : 0;
		ns += i ? f.ns : 0;
		ats_go_on(BOTH);
		ats_hammers_off(BOTH);

		all &= f.ret == VICTIM_PAGES * PAGE;
		went_on &= counter(HEALTHY, ATD_ACCEPTED_AFTER) > 0;
		judge_space(&spaces[i], &v);
		if (i)
			continue;
		print_fenced("start");
		print_flush("flush", &f);
		print_counters(HEALTHY);
		print_counters(TARGET);
	}

	ksft_test_result(all, "the flushes took all pages away\n");
	case_verdict(&v);
	case_healthy(went_on, VICTIM_IOVA);
	case_not_asked(TARGET, asked, ns,
		       "flushes of other PASIDs ask no dead endpoint");
	case_reset();
}

/* Whatever was attached or detached before, the hammer goes on in vain */
static bool still_refused(void)
{
	__u64 refused = counter(TARGET, ATD_REFUSED_AFTER);

	wait_for_attempts(TARGET, attempts_after(TARGET) + ENOUGH);
	return counter(TARGET, ATD_REFUSED_AFTER) >= refused + ENOUGH;
}

/*
 * A PASID is taken from a dead endpoint: that is a flush, too. Then others come
 * and go, down to none and back: none of it gives ATS back, and none of it asks
 * the endpoint.
 */
static void attach_and_detach(bool identity)
{
	struct space *one = &spaces[0], *two = &spaces[1];
	struct ats_verdict v = { .rejected = ~0ULL };
	struct ats_testdev_flush f;
	__u64 start, ns, asked;
	bool ok, known;
	size_t i;

	setup_domains(identity);
	control();
	ats_misbehave(TARGET, ATD_INV_NEVER_UNTIL_RESET, 0);
	aim_at_space(one);
	ats_hammer_all(BOTH);

	start = now_ns();
	pasid_detach(TARGET, 1);
	ns = now_ns() - start;
	mark(BOTH);
	ats_fill_buf(one->buf, REFILL);
	go_on(ns);
	judge_space(one, &v);
	case_verdict(&v);
	case_healthy(counter(HEALTHY, ATD_ACCEPTED_AFTER) > 0, 0);

	/* By the address that the ATC had: whether it is on does not matter */
	known = command(TARGET, ATD_CMD_ATC_LOOKUP, VICTIM_IOVA, PAGE) == ATD_OK;
	ats_fill_buf(one->buf, REFILL);
	asked = counter(TARGET, ATD_INV_RECEIVED);
	mark(EP(TARGET));
	hammer(TARGET, peek(TARGET, ATD_DATA, 8), PAGE, ATD_ATTR_RAW_TRANSLATED);
	start = now_ns();
	pasid_attach(TARGET, 3, one->dom);
	ns = now_ns() - start;
	ok = still_refused();
	start = now_ns();
	pasid_attach(TARGET, 1, one->dom);
	pasid_detach(TARGET, 3);
	pasid_detach(TARGET, 2);
	pasid_detach(TARGET, 1);
	ns += now_ns() - start;
	ok &= still_refused();
	start = now_ns();
	pasid_attach(TARGET, 1, one->dom);
	pasid_attach(TARGET, 2, two->dom);
	ns += now_ns() - start;
	ok &= still_refused();
	hammer_off(TARGET);
	asked = counter(TARGET, ATD_INV_RECEIVED) - asked;

	ksft_print_msg("reattach.escapes=%llu\n",
		       counter(TARGET, ATD_ACCEPTED_AFTER));
	ksft_print_msg("reattach.refused=%llu\n",
		       counter(TARGET, ATD_REFUSED_AFTER));
	ksft_test_result(known && ok && !counter(TARGET, ATD_ACCEPTED_AFTER) &&
			 !corrupted(one->buf),
			 "no attach of a PASID lets a fenced endpoint write\n");
	case_not_asked(TARGET, asked, ns,
		       "no attach or detach of a PASID asks the dead endpoint");

	for (i = 0; i < nr_spaces; i++)
		take_away(&spaces[i], &f);
	case_reset();
}

static void run_attach(void)
{
	attach_and_detach(false);
}

static void run_identity(void)
{
	attach_and_detach(true);
}

/*
 * The address space of a process
 */

/* Apart from each other, for the reason that is given at VICTIM_IOVA */
#define VICTIM_VA	((void *)0x10000000000)
#define KEPT_VA		((void *)0x20000000000)
#define LATER_VA	((void *)0x30000000000)

static int memfd;
static __u64 *seen;		/* the victim, as it is seen by its next owner */

static __u64 *map_file(void *va, unsigned int first, unsigned int pages)
{
	void *p = mmap(va, pages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | (va ? MAP_FIXED_NOREPLACE : 0), memfd,
		       first * PAGE);

	must(p != MAP_FAILED, "mmap");
	return p;
}

/* No page fault brings in a page for the endpoint, or makes it writable */
static void touch(__u64 *p, unsigned int pages)
{
	size_t i;

	for (i = 0; i < pages * PAGE / sizeof(*p); i += PAGE / sizeof(*p))
		__atomic_store_n(&p[i], 0, __ATOMIC_RELAXED);
}

static __u32 sva_bind(int ep)
{
	struct ats_testdev_pasid arg = { .ep = ep };

	do_ioctl(ATS_TESTDEV_SVA_BIND, &arg, "SVA bind");
	return arg.pasid;
}

static void aim_at_va(int ep, __u32 pasid, const void *p, unsigned int pages)
{
	use_pasid(ep, pasid);
	aim(ep, 0, (unsigned long)p, pages);
}

static __u64 munmap_ns(void *p, unsigned int pages)
{
	__u64 start = now_ns();

	munmap(p, pages * PAGE);
	return now_ns() - start;
}

/* The target goes dead, and @lose takes the victim from the process */
static void case_lost(__u64 (*lose)(void *arg), void *arg)
{
	struct ats_verdict v = { .rejected = ~0ULL };
	__u64 ns;

	ats_misbehave(TARGET, ATD_INV_NEVER_UNTIL_RESET, 0);
	ats_hammer_all(BOTH);
	ns = lose(arg);
	mark(BOTH);
	refill(seen);
	go_on(ns);
	ats_judge(TARGET, ATD_REFUSED_AFTER, &v);
	v.corrupted = changed(seen);
	case_verdict(&v);
}

/* The target can write to new pages of this process, and is asked for them */
static void case_sva_reset(void)
{
	bool ok = reset_target();
	__u64 ns, *victim;

	victim = map_file(VICTIM_VA, 0, VICTIM_PAGES);
	touch(victim, VICTIM_PAGES);
	aim_at_va(TARGET, sva_bind(TARGET), victim, VICTIM_PAGES);
	ok &= ats_writes_land(TARGET, seen);
	ksft_test_result(ok, "a reset brings ATS back\n");

	ats_hammer_all(EP(TARGET));
	ns = munmap_ns(victim, VICTIM_PAGES);
	mark(EP(TARGET));
	refill(seen);
	wait_for_attempts(TARGET, ENOUGH);
	hammer_off(TARGET);
	ksft_test_result(ns < limit_ns() && !changed(seen) &&
			 ats_answered(TARGET),
			 "after the reset a flush is answered\n");
}

static void sva_unbind(int ep)
{
	pasid_ioctl(ATS_TESTDEV_SVA_UNBIND, ep, 0, 0, "SVA unbind");
}

static __u64 lose_by_munmap(void *victim)
{
	return munmap_ns(victim, VICTIM_PAGES);
}

/* This process gives pages away that both endpoints know */
static void run_munmap(void)
{
	__u64 ns, asked, *victim, *kept, *later;
	__u32 pasid;
	bool ok;

	victim = map_file(VICTIM_VA, 0, VICTIM_PAGES);
	kept = map_file(KEPT_VA, VICTIM_PAGES, KEPT_PAGES);
	later = map_file(LATER_VA, VICTIM_PAGES, 1);
	touch(victim, VICTIM_PAGES);
	touch(kept, KEPT_PAGES);
	touch(later, 1);
	pasid = sva_bind(TARGET);
	if (sva_bind(HEALTHY) != pasid)
		ksft_exit_fail_msg("one process, two PASIDs\n");

	aim_at_va(TARGET, pasid, victim, VICTIM_PAGES);
	ok = ats_writes_land(TARGET, seen);
	aim_at_va(HEALTHY, pasid, victim, VICTIM_PAGES);
	ok &= ats_writes_land(HEALTHY, seen);
	aim_at_va(HEALTHY, pasid, kept, KEPT_PAGES);
	ok &= ats_writes_land(HEALTHY, kept);
	case_control(ok);

	case_lost(lose_by_munmap, victim);
	case_healthy(counter(HEALTHY, ATD_ACCEPTED_AFTER) > 0,
		     (unsigned long)victim);

	asked = counter(TARGET, ATD_INV_RECEIVED);
	ns = munmap_ns(later, 1);
	asked = counter(TARGET, ATD_INV_RECEIVED) - asked;
	case_not_asked(TARGET, asked, ns, "the next flush asks no dead endpoint");

	sva_unbind(TARGET);
	case_sva_reset();
}

static __u64 lose_by_kill(void *arg)
{
	const pid_t *pid = arg;
	__u64 start = now_ns();
	int status;

	kill(*pid, SIGKILL);
	must(waitpid(*pid, &status, 0) == *pid, "waitpid");
	return now_ns() - start;
}

/*
 * Another process is killed. It cannot unbind the endpoints, which are bound to
 * it until long after.
 */
static void run_exit(void)
{
	__u64 start, asked;
	int pipe_fd[2];
	__u32 pasid;
	pid_t pid;
	bool ok;

	must(!pipe(pipe_fd), "pipe");
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		touch(map_file(VICTIM_VA, 0, VICTIM_PAGES), VICTIM_PAGES);
		pasid = sva_bind(TARGET);
		sva_bind(HEALTHY);
		if (write(pipe_fd[1], &pasid, sizeof(pasid)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	must(read(pipe_fd[0], &pasid, sizeof(pasid)) == sizeof(pasid), "pipe");

	aim_at_va(HEALTHY, pasid, VICTIM_VA, VICTIM_PAGES);
	ok = ats_writes_land(HEALTHY, seen);
	aim_at_va(TARGET, pasid, VICTIM_VA, VICTIM_PAGES);
	ok &= ats_writes_land(TARGET, seen);
	case_control(ok);

	case_lost(lose_by_kill, &pid);
	ksft_test_result(ats_answered(HEALTHY) && ats_is_on(HEALTHY),
			 "endpoints that answer keep ATS, and lose the process\n");

	asked = counter(TARGET, ATD_INV_RECEIVED);
	start = now_ns();
	sva_unbind(TARGET);
	sva_unbind(HEALTHY);
	case_not_asked(TARGET, counter(TARGET, ATD_INV_RECEIVED) - asked,
		       now_ns() - start, "no unbind asks the dead endpoint");
	case_sva_reset();
}

static const struct scenario scenarios[] = {
	{ { "pasid-domains", "the RID and two PASIDs of one lose their pages" },
	  .plan = 9, .run = run_domains },
	{ { "pasid-attach", "PASIDs of a dead one come and go" },
	  .plan = 9, .run = run_attach },
	{ { "pasid-identity", "likewise, with an RID that is not translated" },
	  .plan = 9, .run = run_identity },
	{ { "sva-munmap", "a process unmaps what a dead one knows" },
	  .plan = 8, .run = run_munmap, .sva = true },
	{ { "sva-exit", "a process dies that a dead one is bound to" },
	  .plan = 7, .run = run_exit, .sva = true },
};

/* errno says why not */
static bool has_sva(void)
{
	struct ats_testdev_pasid arg = { .ep = TARGET };

	if (!ioctl(dev, ATS_TESTDEV_SVA_BIND, &arg)) {
		sva_unbind(TARGET);
		return true;
	}
	must(errno == ENODEV || errno == EOPNOTSUPP, "SVA bind");
	return false;
}

int main(int argc, char **argv)
{
	const struct scenario *sc;

	ksft_print_header();
	sc = ats_choose(argc, argv, scenarios, ARRAY_SIZE(scenarios),
			sizeof(scenarios[0]), NULL);
	ats_start(&sc->s);
	if (!has_pasids(HEALTHY) || !has_pasids(TARGET))
		ksft_exit_skip("endpoints 0 and 1, or their SMMU, have no PASIDs\n");
	if (sc->sva && !has_sva())
		ksft_exit_skip("no SVA: %s\n", strerror(errno));
	ksft_set_plan(sc->plan);
	memfd = memfd_create("victim", MFD_CLOEXEC);
	must(memfd >= 0 && !ftruncate(memfd, (VICTIM_PAGES + KEPT_PAGES) * PAGE),
	     "memfd");
	seen = map_file(NULL, 0, VICTIM_PAGES);
	pin(flush_cpu());

	sc->run();
	ksft_finished();
}
