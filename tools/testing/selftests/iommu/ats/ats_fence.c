// SPDX-License-Identifier: GPL-2.0
/*
 * Does a device still write through a translation after the flush that removed
 * it has returned?
 *
 * Runs one named scenario against the emulated endpoints (ats-testdev) and
 * reports against the safe behaviour: no write lands, the device that does not
 * answer invalidations is refused, all others keep working. It does not know
 * which kernel it runs on, so on one without a fence the cases that look for
 * escapes fail, and the "# key=value" lines say by how much.
 *
 * The oracle is a hammer in the endpoint that goes on writing through its ATC.
 * Writes accepted after the flush returned are escapes, counted twice: by the
 * endpoint, and in memory, which got a pattern at that moment. No escapes may
 * also mean a dead hammer, so each target has to show 100 attempts that came to
 * nothing, and each endpoint has to write successfully before.
 *
 * Needs root, the module, and endpoints in this order: 0 to 2 with ATS (they
 * share a domain), 3 with ATS, 4 without.
 *
 * What this is not: a test of the hardware's own ordering. The model's DMA is
 * synchronous, there are no writes in flight to be drained.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <unistd.h>

#include "ats_common.h"

enum verb {
	UNMAP,		/* iommu_unmap() of pages in the shared domain */
	UNMAP_DMA,	/* dma_unmap_page() of an endpoint on its own */
	DETACH,		/* iommu_detach_device() of an endpoint */
};

struct scenario {
	struct ats_scenario is;
	enum verb verb;
	unsigned int targets;	/* their hammers know nothing but the victim */
	unsigned int dead;	/* of these: do not answer until a reset */
	bool late;		/* targets answer, but late */
	bool neighbour;		/* unmaps while the queue stands still */
	bool reattach;		/* then take it to another domain and back */
	bool reset;		/* then reset the dead ones */
};

static const struct scenario scenarios[] = {
	{ { "one-dead-of-one", "an endpoint alone in its domain goes dead" },
	  .verb = UNMAP_DMA, .targets = EP(0), .dead = EP(0) },
	{ { "one-dead-of-three", "one of three in a domain goes dead" },
	  .targets = EP(1), .dead = EP(1) },
	{ { "two-dead", "two of three in a domain go dead" },
	  .targets = EP(0) | EP(2), .dead = EP(0) | EP(2) },
	{ { "late-in-time", "one of three answers late, but in time" },
	  .targets = EP(1), .late = true },
	{ { "all-healthy", "all endpoints answer" }, .targets = EP(1) },
	{ { "detach-dead", "a dead endpoint leaves the domain" },
	  .verb = DETACH, .targets = EP(1), .dead = EP(1) },
	{ { "non-ats-neighbour", "a device without ATS unmaps meanwhile" },
	  .targets = EP(1), .dead = EP(1), .neighbour = true },
	{ { "reattach", "the dead endpoint is attached again, without a reset" },
	  .targets = EP(1), .dead = EP(1), .reattach = true },
	{ { "reset", "the dead endpoint is reset" }, .targets = EP(1),
	  .dead = EP(1), .reset = true },
	{ { "demo", "one of three goes dead, then it is reset",
	    "does what reset does, for a demonstration" },
	  .targets = EP(1), .dead = EP(1), .reset = true },
};

static const struct scenario *sc;
static struct ats_layout lay;
static struct ats_testdev_flush flush, flush2;

/* ATD_INV_IGNORED before the flush: when it grows, the queue stands still */
static __u64 ignored;

static void *neighbour_unmaps(void *concurrent)
{
	int dead = __builtin_ctz(sc->dead);
	int i;

	if (concurrent) {
		/* Not for ever */
		for (i = 0; i < 1000; i++) {
			if (counter(dead, ATD_INV_IGNORED) != ignored)
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
	pthread_t thread;

	flush = (struct ats_testdev_flush) {
		.buf = lay.victim, .dom = lay.dom, .pattern = REFILL,
		.ep = __builtin_ctz(sc->targets),
		.mark = ALL_EPS,
	};
	flush2 = (struct ats_testdev_flush) {
		.buf = area[NEIGHBOUR].buf, .pattern = REFILL,
		.mark = EP(NEIGHBOUR),
	};
	if (sc->neighbour)
		flush.mark &= ~EP(NEIGHBOUR);

	pin(flush_cpu());
	if (sc->neighbour) {
		ignored = counter(flush.ep, ATD_INV_IGNORED);
		if (cpus > 1)
			start_beside(&thread, neighbour_unmaps, &ignored);
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

/* Endpoints that must not write any more after the flush */
static unsigned int targets(void)
{
	return sc->targets | (sc->neighbour ? EP(NEIGHBOUR) : 0);
}

/* 1: all endpoints write before the flush */
static void control(void)
{
	bool ok = true;
	int ep;

	for (ep = 0; next_ep(lay.part, &ep); ep++)
		ok &= ats_prepare(&lay, ep) && ats_control(ep);
	case_control(ok);
}

/* 2 to 4: the flush itself, escapes, hammers alive */
static void case_flush(void)
{
	struct ats_verdict v = { .rejected = ~0ULL };
	__u64 size = VICTIM_PAGES * PAGE;
	__u32 mode;
	bool dead;
	int ep;

	for (ep = 0; next_ep(sc->targets, &ep); ep++) {
		mode = ATD_INV_ANSWER;
		if (sc->dead & EP(ep))
			mode = ATD_INV_NEVER_UNTIL_RESET;
		else if (sc->late)
			mode = ATD_INV_LATE;
		ats_misbehave(ep, mode, opt.late_us);
	}
	ats_hammer_all(lay.part);

	do_flush();
	ats_go_on(lay.part);
	/* The counters have to agree, and each refused write is an event */
	ats_hammers_off(ALL_EPS);

	print_flush("flush", &flush);
	if (sc->neighbour)
		print_flush("flush2", &flush2);
	for (ep = 0; next_ep(lay.part, &ep); ep++) {
		print_counters(ep);
		if (!(targets() & EP(ep)))
			continue;
		dead = sc->dead & EP(ep) || ep == NEIGHBOUR;
		ats_judge(ep, dead ? ATD_REFUSED_AFTER : ATD_MISSED_AFTER, &v);
	}
	v.corrupted = corrupted(lay.victim);
	if (sc->neighbour)
		v.corrupted += corrupted(area[NEIGHBOUR].buf);

	ksft_test_result(sc->verb == DETACH || flush.ret == size,
			 "the flush took all pages away\n");
	case_verdict(&v);
}

/* 5: an endpoint that answers loses nothing */
static void case_healthy(void)
{
	bool progress = true, ats = true;
	__u64 addr;
	int ep, ret;

	for (ep = 0; next_ep(lay.part & ~targets(), &ep); ep++) {
		ret = counter(ep, ATD_ACCEPTED_AFTER) > 0;
		if (!ret)
			ksft_print_msg("endpoint %d made no progress\n", ep);
		progress &= ret;
	}
	for (ep = 0; next_ep(lay.part & (EP(TRIO) - 1) & ~sc->dead, &ep); ep++) {
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
		ats &= ats_is_on(ep);
	}
	case_others(progress);
	ksft_test_result(ats, "endpoints that answer keep ATS\n");
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
		map_dom(f.buf, lay.dom, SECOND_IOVA);

	for (ep = 0; next_ep(sc->dead, &ep); ep++)
		asked -= counter(ep, ATD_INV_RECEIVED);
	do_ioctl(ATS_TESTDEV_UNMAP, &f, "second unmap");
	for (ep = 0; next_ep(sc->dead, &ep); ep++)
		asked += counter(ep, ATD_INV_RECEIVED);

	print_flush("second", &f);
	ksft_print_msg("second.asked_dead=%llu\n", asked);
	if (sc->dead)
		ok = f.ns < limit_ns() && !asked;
	ksft_test_result(ok, "the next flush asks no dead endpoint\n");

	/*
	 * Where the dead are still asked, taking everything down would cost the
	 * SMMU's timeout at each step, and show nothing new.
	 */
	for (ep = 0; next_ep(asked && !sc->reset ? sc->dead : 0, &ep); ep++)
		poke(ep, ATD_INV_MODE, 4, ATD_INV_ANSWER);
}

/*
 * 7: no attach gives ATS back, not for a moment: neither that to the default
 * domain nor that to the old one. The hammer goes by the address that the ATC
 * had, so that it works even if ATS is off at the endpoint, as it should be: what
 * it asks for would only be refused.
 */
static void case_reattach(void)
{
	int ep = __builtin_ctz(sc->dead);
	struct ats_testdev_flush f = {
		.buf = lay.victim, .dom = lay.dom, .ep = ep, .pattern = REFILL,
		.mark = EP(LONER),
	};
	bool known;

	known = command(ep, ATD_CMD_ATC_LOOKUP, VICTIM_IOVA, PAGE) == ATD_OK;
	hammer(ep, peek(ep, ATD_DATA, 8), PAGE, ATD_ATTR_RAW_TRANSLATED);
	mark(EP(ep));
	do_ioctl(ATS_TESTDEV_DETACH, &f, "detach");
	wait_for_attempts(ep, ENOUGH);
	ats_attach(ep, lay.dom);
	wait_for_attempts(ep, counter(ep, ATD_REFUSED_AFTER) + ENOUGH);
	hammer_off(ep);

	ksft_print_msg("reattach.escapes=%llu\n",
		       counter(ep, ATD_ACCEPTED_AFTER));
	ksft_print_msg("reattach.refused=%llu\n",
		       counter(ep, ATD_REFUSED_AFTER));
	ksft_print_msg("reattach.ats=%d\n", ats_is_on(ep));
	ksft_test_result(known && !ats_is_on(ep) &&
			 !counter(ep, ATD_ACCEPTED_AFTER) &&
			 counter(ep, ATD_REFUSED_AFTER) >= 2 * ENOUGH &&
			 !corrupted(lay.victim),
			 "no attach lets a fenced endpoint write\n");
}

/* The last two: a reset brings ATS back, and with it flushes that are answered */
static void case_reset(void)
{
	int ep = __builtin_ctz(sc->dead);
	struct ats_testdev_flush f = { .pattern = REFILL, .mark = EP(ep) };
	bool ok;
	int i, ret;

	ok = sysfs_reset(ep) && ats_is_on(ep);
	ksft_print_msg("reset.ats=%d\n", ats_is_on(ep));
	ksft_print_msg("reset.resets=%llu\n", counter(ep, ATD_RESETS));

	f.buf = alloc_buf(VICTIM_PAGES);
	map_dom(f.buf, lay.dom, THIRD_IOVA);
	poke(ep, ATD_CMD, 4, ATD_CMD_CLEAR_COUNTERS);
	ret = command(ep, ATD_CMD_ATC_FILL, THIRD_IOVA, VICTIM_PAGES * PAGE);
	ksft_print_msg("reset.fill=%d\n", ret);
	hammer(ep, THIRD_IOVA, VICTIM_PAGES * PAGE, ATD_ATTR_ATC);
	for (i = 0; i < patience(SEEN); i++) {
		nap();
		if (counter(ep, ATD_ACCEPTED) >= SEEN)
			break;
	}
	ksft_print_msg("reset.accepted=%llu\n",
		       counter(ep, ATD_ACCEPTED));
	ok &= ret == ATD_OK && counter(ep, ATD_ACCEPTED) >= SEEN &&
	      tagged(f.buf, ep).words;
	ksft_test_result(ok, "a reset brings ATS back\n");

	do_ioctl(ATS_TESTDEV_UNMAP, &f, "unmap after the reset");
	wait_for_attempts(ep, ENOUGH);
	print_flush("after_reset", &f);
	ksft_print_msg("after_reset.escapes=%llu\n",
		       counter(ep, ATD_ACCEPTED_AFTER));
	ksft_print_msg("after_reset.missed=%llu\n",
		       counter(ep, ATD_MISSED_AFTER));
	ksft_test_result(ats_answered(ep) && !corrupted(f.buf) &&
			 f.ns < limit_ns(),
			 "after the reset a flush is answered\n");
}

int main(int argc, char **argv)
{
	/* In time for an SMMU as QEMU makes it, which gives up after 1 s */
	opt.late_us = 100000;
	ksft_print_header();
	sc = ats_choose(argc, argv, scenarios, ARRAY_SIZE(scenarios),
			sizeof(scenarios[0]), NULL);
	ats_start(&sc->is);
	ksft_set_plan(7 + sc->reattach + (sc->reset ? 2 : 0));
	lay.targets = sc->targets;
	lay.alone = sc->verb == UNMAP_DMA;
	lay.keep_off = sc->verb == DETACH;
	ats_setup(&lay);

	control();
	case_flush();
	case_healthy();
	case_second_flush();
	if (sc->reattach)
		case_reattach();
	if (sc->reset)
		case_reset();
	ksft_finished();
}
