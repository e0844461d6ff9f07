// SPDX-License-Identifier: GPL-2.0
/*
 * Which resets let a fenced endpoint use ATS again, and what does not?
 *
 * Every scenario begins with an endpoint that does not answer and is fenced
 * before the flush returns: the oracle is that of ats_fence. Then comes what
 * the scenario is about, after which the endpoint has to be in one of two
 * states, tried from the outside:
 *
 * fenced  its writes to a page that the test owns are refused, by the hundred,
 *	   and no flush asks it or waits for it;
 * healed  it fills its ATC, writes through it, and a flush is answered at once,
 *	   with no write behind it.
 *
 * The bait is a page whose physical address the test knows, so that a fenced
 * endpoint needs no ATC to try: a reset empties the ATC.
 *
 * Endpoints as for ats_fence; PLUGGED is one below a port of its own, with a
 * bus reset and a slot. Scenarios that need more than the machine has are
 * skipped.
 *
 * What this is not: a test of the PCI core's resets. That the endpoint was
 * reset at all is seen from its counter.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "ats_common.h"

#define DEAD	1		/* in most scenarios */
#define SIBLING	(PLUGGED + 1)	/* the other function of PLUGGED */
#define VF(n)	(PLUGGED + 1 + (n))	/* or these, once there are any */

struct scenario {
	struct ats_scenario is;
	const char *(*missing)(void);	/* what a machine may lack, or NULL */
	unsigned int dead;	/* endpoints that do not answer */
	const char *vfs;	/* that PLUGGED has, all but the dead healthy */
	int ep;			/* the one that the scenario is about */
	bool alone;
	bool for_ever;		/* not even after a reset */
	void (*meanwhile)(int ep);	/* during the flush */
	void (*then)(int ep);
	unsigned int cases;	/* that it reports */
};

static const struct scenario *sc;
static struct ats_layout lay;
static __u64 next_iova = SECOND_IOVA;
static __u32 bait;
static __u64 bait_pa;

/*
 * A page that nothing else uses, and its physical address: LONER's ATC tells. It
 * stays mapped for LONER.
 */
static void lay_bait(void)
{
	__u64 iova;

	bait = alloc_buf(1);
	iova = map_dma(bait, LONER);
	if (command(LONER, ATD_CMD_ATC_FILL, iova, PAGE) != ATD_OK ||
	    command(LONER, ATD_CMD_ATC_LOOKUP, iova, PAGE) != ATD_OK)
		ksft_exit_fail_msg("no address for the bait\n");
	bait_pa = peek(LONER, ATD_DATA, 8);
	ats_fill_buf(bait, REFILL);
}

static __u64 map_for(__u32 buf, int ep)
{
	__u64 iova = next_iova;

	if (lay.alone)
		return map_dma(buf, ep);
	next_iova += 0x1000000;
	map_dom(buf, lay.dom, iova);
	return iova;
}

static void unmap(struct ats_testdev_flush *f, __u32 buf, unsigned int mark)
{
	*f = (struct ats_testdev_flush) {
		.buf = buf, .pattern = REFILL, .mark = mark,
	};
	do_ioctl(ATS_TESTDEV_UNMAP, f, "unmap");
}

/* The hammer that needs no ATC has written in vain */
static bool tries_in_vain(int ep)
{
	bool ok;

	wait_for_attempts(ep, ENOUGH);
	hammer_off(ep);
	ok = !counter(ep, ATD_ACCEPTED_AFTER) &&
	     counter(ep, ATD_REFUSED_AFTER) >= ENOUGH && !corrupted(bait);
	if (!ok)
		ksft_print_msg("endpoint %d: %llu writes landed, %llu refused\n",
			       ep, counter(ep, ATD_ACCEPTED_AFTER),
			       counter(ep, ATD_REFUSED_AFTER));
	return ok;
}

static bool fenced(int ep)
{
	struct ats_testdev_flush f;
	__u64 asked;
	__u32 buf;
	bool ok;

	ats_fill_buf(bait, REFILL);
	mark(EP(ep));
	hammer(ep, bait_pa, PAGE, ATD_ATTR_RAW_TRANSLATED);
	ok = tries_in_vain(ep);

	buf = alloc_buf(1);
	map_for(buf, ep);
	asked = counter(ep, ATD_INV_RECEIVED);
	unmap(&f, buf, EP(LONER));
	asked = counter(ep, ATD_INV_RECEIVED) - asked;
	if (asked || f.ns > limit_ns())
		ksft_print_msg("endpoint %d: asked %llu times, %llu ns\n", ep,
			       asked, f.ns);
	return ok && !asked && f.ns <= limit_ns();
}

/* Fills, writes, and after the flush, which it answers, writes no more */
static bool healed(int ep)
{
	struct ats_testdev_flush f;
	__u32 buf;
	__u64 iova;
	bool ok;
	int i;

	buf = alloc_buf(1);
	iova = map_for(buf, ep);
	ok = ats_is_on(ep) &&
	     command(ep, ATD_CMD_ATC_FILL, iova, PAGE) == ATD_OK;
	poke(ep, ATD_CMD, 4, ATD_CMD_CLEAR_COUNTERS);
	hammer(ep, iova, PAGE, ATD_ATTR_ATC);
	for (i = 0; i < patience(SEEN) && counter(ep, ATD_ACCEPTED) < SEEN; i++)
		nap();
	ok &= counter(ep, ATD_ACCEPTED) >= SEEN && tagged(buf, ep).words;
	unmap(&f, buf, EP(ep));
	wait_for_attempts(ep, ENOUGH);
	hammer_off(ep);
	ok &= ats_answered(ep) && !corrupted(buf) && f.ns <= limit_ns();
	if (!ok)
		ksft_print_msg("endpoint %d: ATS %d, %llu ns, %llu landed\n", ep,
			       ats_is_on(ep), f.ns,
			       counter(ep, ATD_ACCEPTED_AFTER));
	return ok;
}

/* A healthy endpoint goes dead, and the next flush finds out */
static void go_dead(int ep)
{
	struct ats_testdev_flush f;
	__u32 buf = alloc_buf(1);

	map_for(buf, ep);
	ats_misbehave(ep, ATD_INV_NEVER_UNTIL_RESET, 0);
	unmap(&f, buf, EP(LONER));
}

static bool reset_by(int ep, const char *methods)
{
	__u64 resets = counter(ep, ATD_RESETS);

	return sysfs_write(ep, "reset_method", methods) && sysfs_reset(ep) &&
	       counter(ep, ATD_RESETS) > resets;
}

/*
 * Choosing a method probes it, and that resets nothing. Nor is it an occasion to
 * talk to the endpoint, which would answer now.
 */
static void then_methods(int ep)
{
	static const char * const methods[] = { "flr", "pm", "bus" };
	bool ok = true, offered[ARRAY_SIZE(methods)];
	__u64 asked = counter(ep, ATD_INV_RECEIVED);
	size_t i;

	ats_misbehave(ep, ATD_INV_ANSWER, 0);
	for (i = 0; i < ARRAY_SIZE(methods); i++)
		offered[i] = offers_reset(ep, methods[i]);
	for (i = 0; i < ARRAY_SIZE(methods); i++) {
		if (offered[i])
			ok &= sysfs_write(ep, "reset_method", methods[i]);
	}
	ok &= sysfs_write(ep, "reset_method", "bus flr");
	ok &= sysfs_write(ep, "reset_method", "default");
	asked = counter(ep, ATD_INV_RECEIVED) - asked;
	ksft_test_result(ok && !asked && fenced(ep),
			 "no choice of a reset method lifts the fence\n");

	for (i = 0; i < ARRAY_SIZE(methods); i++) {
		if (i)
			go_dead(ep);
		ok = offered[i] && fenced(ep);
		ok &= reset_by(ep, methods[i]);
		ksft_test_result(ok && healed(ep), "%s brings ATS back\n",
				 methods[i]);
	}
}

/* Twice in a row is as good as once, and the next fault is a fault again */
static void then_twice(int ep)
{
	bool ok;

	ok = sysfs_reset(ep) && sysfs_reset(ep);
	ksft_test_result(ok && healed(ep), "two resets bring ATS back\n");
	go_dead(ep);
	ksft_test_result(fenced(ep), "it is fenced a second time\n");
	ok = sysfs_reset(ep);
	ksft_test_result(ok && healed(ep), "the next reset brings ATS back\n");
}

static bool there(int ep)
{
	char path[96];

	ats_sysfs(path, sizeof(path), ep, "");
	return !access(path, F_OK);
}

static bool scan_again(void)
{
	int fd = open("/sys/bus/pci/rescan", O_WRONLY);
	bool ok = fd >= 0 && write(fd, "1", 1) == 1;

	if (fd >= 0)
		close(fd);
	return ok;
}

/*
 * A bus reset needs the bus for itself when it happens, not only when it was
 * chosen. So the endpoint's other function comes back in between.
 */
static void then_fail(int ep)
{
	__u64 asked;
	bool ok;

	ok = sysfs_write(SIBLING, "remove", "1") && !there(SIBLING) &&
	     sysfs_write(ep, "reset_method", "bus");
	ok &= scan_again() && there(SIBLING);
	/* That it is attached again must not be another way to ask it */
	asked = counter(ep, ATD_INV_RECEIVED);
	ok &= !sysfs_reset(ep) && counter(ep, ATD_INV_RECEIVED) == asked;
	ksft_test_result(ok && fenced(ep), "a reset that fails lifts nothing\n");

	ok = sysfs_write(SIBLING, "remove", "1") && !there(SIBLING) &&
	     sysfs_write(ep, "reset_method", "bus flr");
	ok &= scan_again() && there(SIBLING) && sysfs_reset(ep);
	ksft_test_result(ok && healed(ep),
			 "the next method's success brings ATS back\n");
}

/* The reset's own attach sends an invalidation, which is not answered either */
static void then_in_vain(int ep)
{
	ksft_test_result(sysfs_reset(ep) && fenced(ep),
			 "reset, but still dead: it is fenced again\n");
}

static bool bind(int ep, const char *what)
{
	int fd = open(what, O_WRONLY);
	bool ok = fd >= 0 && write(fd, info[ep].bdf, strlen(info[ep].bdf)) > 0;

	if (fd >= 0)
		close(fd);
	if (!ok)
		ksft_perror(what);
	return ok;
}

#define DRIVER	"/sys/bus/pci/drivers/ats_testdev/"

/* Buffers and domains go with the file */
static bool unload_module(void)
{
	close(dev);
	return ats_unload_module();
}

static bool open_again(void)
{
	lay.alone = true;
	if (ats_open()) {
		ksft_perror(ATS_DEV);
		return false;
	}
	lay_bait();
	return true;
}

static void then_reload(int ep)
{
	bool ok;

	ok = bind(ep, DRIVER "unbind");
	lay.alone = true;
	ok &= bind(ep, DRIVER "bind") && ats_there(ep);
	ksft_test_result(ok && fenced(ep),
			 "another binding of its driver lifts nothing\n");

	ok = unload_module() && ats_load_module() && open_again();
	ksft_test_result(ok && fenced(ep),
			 "nor does another load of its module\n");

	ok = unload_module() && sysfs_reset(ep) && ats_load_module() &&
	     open_again();
	ksft_test_result(ok && healed(ep),
			 "rmmod, a reset and insmod bring ATS back\n");
}

/*
 * A device without a driver: mapped into user space, with DMA enabled. What a
 * driver or the PCI core does to stop a device is not what is to be tried here.
 */
static void *adopt(int ep)
{
	__u16 cmd = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	char path[96];
	void *bar;
	int fd;

	ats_sysfs(path, sizeof(path), ep, "config");
	fd = open(path, O_RDWR);
	must(fd >= 0 && pwrite(fd, &cmd, 2, PCI_COMMAND) == 2, path);
	close(fd);

	ats_sysfs(path, sizeof(path), ep, "resource0");
	fd = open(path, O_RDWR);
	bar = mmap(NULL, ATD_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   0);
	must(bar != MAP_FAILED, path);
	close(fd);
	ats_set_bar(ep, bar);
	return bar;
}

/* Removed, and found again, with its hammer going on all the time */
static bool remove_and_rescan(int ep)
{
	void *bar;
	bool ok;
	int i;

	ok = bind(ep, DRIVER "unbind");
	lay.alone = true;
	bar = adopt(ep);
	ats_fill_buf(bait, REFILL);
	mark(EP(ep));
	hammer(ep, bait_pa, PAGE, ATD_ATTR_RAW_TRANSLATED);
	wait_for_attempts(ep, ENOUGH);
	ksft_print_msg("unbound.refused=%llu\n",
		       counter(ep, ATD_REFUSED_AFTER));
	ok &= counter(ep, ATD_REFUSED_AFTER) >= ENOUGH;
	ats_set_bar(ep, NULL);
	munmap(bar, ATD_BAR_SIZE);

	ok &= sysfs_write(ep, "remove", "1") && !there(ep) && scan_again();
	for (i = 0; i < 200 && !ats_there(ep); i++)
		nap();
	return ok && ats_there(ep);
}

static void then_rescan_dead(int ep)
{
	bool ok = remove_and_rescan(ep);

	wait_for_attempts(ep, counter(ep, ATD_REFUSED_AFTER) + ENOUGH);
	ksft_print_msg("rescan.escapes=%llu\n",
		       counter(ep, ATD_ACCEPTED_AFTER));
	ksft_print_msg("rescan.refused=%llu\n",
		       counter(ep, ATD_REFUSED_AFTER));
	ksft_test_result(tries_in_vain(ep) && ok,
			 "removed and found again it writes at no moment\n");
	ksft_test_result(fenced(ep), "and is fenced\n");
	ksft_test_result(sysfs_reset(ep) && fenced(ep),
			 "a reset does not help it\n");
}

static void then_rescan_healed(int ep)
{
	bool ok;

	ats_misbehave(ep, ATD_INV_ANSWER, 0);
	ok = remove_and_rescan(ep);
	hammer_off(ep);
	ksft_test_result(ok && healed(ep),
			 "found again, answering, it has ATS back\n");
}

static void meanwhile_reset(int ep)
{
	if (!sysfs_reset(ep))
		ksft_print_msg("no reset during the flush\n");
}

static void then_reset_meanwhile(int ep)
{
	ksft_print_msg("reset.resets=%llu\n", counter(ep, ATD_RESETS));
	ksft_test_result(!counter(ep, ATD_ACCEPTED_AFTER) &&
			 counter(ep, ATD_RESETS) == 1,
			 "the endpoint was reset, and wrote nothing\n");
	ksft_test_result(healed(ep), "a reset during the fence counts\n");
}

/* Two bytes of the endpoint's port, in its PCI Express capability */
static bool port_write(int ep, int off, __u16 val)
{
	char path[96];
	__u8 pos = PCI_CAPABILITY_LIST, cap[2] = {};
	int fd, i;
	bool ok;

	ats_sysfs(path, sizeof(path), ep, "../config");
	fd = open(path, O_RDWR);
	if (fd < 0 || pread(fd, &pos, 1, pos) != 1)
		return false;
	for (i = 0; i < 48 && pos; i++, pos = cap[1]) {
		if (pread(fd, cap, 2, pos) != 2 || cap[0] == PCI_CAP_ID_EXP)
			break;
	}
	ok = cap[0] == PCI_CAP_ID_EXP && pwrite(fd, &val, 2, pos + off) == 2;
	close(fd);
	return ok;
}

/*
 * Without power the slot of the emulated port loses its card. The port's driver
 * must not see why: it finds the power on and the card gone, as after a card was
 * pulled.
 */
static void meanwhile_pull(int ep)
{
	if (!port_write(ep, PCI_EXP_SLTCTL, PCI_EXP_SLTCTL_PWR_IND_OFF |
			PCI_EXP_SLTCTL_PWR_OFF) ||
	    !port_write(ep, PCI_EXP_SLTCTL, PCI_EXP_SLTCTL_PWR_IND_ON |
			PCI_EXP_SLTCTL_PDCE | PCI_EXP_SLTCTL_DLLSCE |
			PCI_EXP_SLTCTL_HPIE))
		ksft_print_msg("the slot could not be switched off\n");
}

/* The dead endpoint is gone: a flush of those that are left asks only them */
static void case_after(void)
{
	struct ats_testdev_flush f;
	__u32 buf = alloc_buf(1);

	map_for(buf, 0);
	unmap(&f, buf, EP(LONER));
	print_flush("after", &f);
	ksft_test_result(f.ns <= limit_ns(), "the next flush does not wait for it\n");
}

static void then_pulled(int ep)
{
	int i;

	for (i = 0; i < 400 && there(ep); i++)
		nap();
	ksft_test_result(!there(ep) && !ats_there(ep),
			 "the endpoint that was pulled is gone\n");
	case_after();
}

/*
 * A PF and its VFs are pulled, all of which use ATS. The kernel knows that they
 * are gone, and asks none of them. If it did, each would cost the time that it
 * takes the SMMU to give up.
 */
static void then_pulled_vfs(int ep)
{
	__u64 began;
	bool ok;
	int i;

	ok = sysfs_reset(ep) && healed(ep) && healed(PLUGGED) && healed(VF(1));
	began = now_ns();
	meanwhile_pull(PLUGGED);
	for (i = 0; i < 2000 && there(PLUGGED); i++)
		nap();
	began = now_ns() - began;
	ksft_print_msg("pulled.ns=%llu\n", began);
	ok &= !there(PLUGGED) && !there(VF(0)) && !there(VF(1));
	ksft_test_result(ok && began < limit_ns(),
			 "their removal asks none of them\n");
	case_after();
}

static int bus_fd;			/* reset_subordinate of the port */
static bool removed;
static unsigned int refused;

/* From when the removal has begun until it has ended */
static void *reset_bus_meanwhile(void *path)
{
	while (!access(path, F_OK))
		nap();
	while (!__atomic_load_n(&removed, __ATOMIC_RELAXED)) {
		if (write(bus_fd, "1", 1) < 0 && errno == EAGAIN)
			refused++;
		nap();
	}
	return NULL;
}

/*
 * Removing a device that does not answer takes the IOMMU driver a timeout, and
 * all that time the device is on its bus. That an attribute of sysfs is gone
 * tells that the removal has begun.
 */
static void then_removed(int ep)
{
	pthread_t thread;
	char path[96];
	void *bar;
	bool ok;

	ok = sysfs_reset(ep) && healed(ep);
	ats_sysfs(path, sizeof(path), ep, "../reset_subordinate");
	bus_fd = open(path, O_WRONLY);
	ok &= bus_fd >= 0 && bind(ep, DRIVER "unbind");
	bar = adopt(ep);
	ats_misbehave(ep, ATD_INV_NEVER, 0);
	ats_set_bar(ep, NULL);
	munmap(bar, ATD_BAR_SIZE);

	ats_sysfs(path, sizeof(path), ep, "reset_method");
	start_beside(&thread, reset_bus_meanwhile, path);
	ok &= sysfs_write(ep, "remove", "1") && !there(ep);
	__atomic_store_n(&removed, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	close(bus_fd);
	ksft_print_msg("ep%d.spared=1\n", ep);
	ksft_print_msg("removed.refused=%u\n", refused);
	ksft_test_result(ok && refused,
			 "no reset of a bus that a device is leaving\n");
	case_after();
}

/* drivers/pci/pcie/aer_inject.c */
struct aer_error_inj {
	__u8 bus;
	__u8 dev;
	__u8 fn;
	__u32 uncor_status;
	__u32 cor_status;
	__u32 header_log[4];
	__u32 domain;
};

static void then_aer(int ep)
{
	struct aer_error_inj e = { .uncor_status = PCI_ERR_UNC_MALF_TLP };
	unsigned int domain, bus, slot, fn;
	__u64 resets = counter(ep, ATD_RESETS);
	int fd, i;
	bool ok;

	if (sscanf(info[ep].bdf, "%x:%x:%x.%x", &domain, &bus, &slot, &fn) != 4)
		ksft_exit_fail_msg("%s is no address\n", info[ep].bdf);
	e.domain = domain;
	e.bus = bus;
	e.dev = slot;
	e.fn = fn;
	fd = open("/dev/aer_inject", O_WRONLY);
	ok = fd >= 0 && write(fd, &e, sizeof(e)) == sizeof(e);
	if (!ok)
		ksft_perror("/dev/aer_inject");
	close(fd);
	for (i = 0; i < 400 && counter(ep, ATD_RESETS) == resets; i++)
		nap();
	/* What follows the reset */
	for (i = 0; i < 40; i++)
		nap();
	ok &= counter(ep, ATD_RESETS) > resets;
	ksft_test_result(ok && healed(ep),
			 "error recovery brings ATS back\n");
}

/* The offset of the DPC capability of the endpoint's port, or 0 */
static int dpc_cap(int fd)
{
	__u32 header = 0;
	int pos;

	for (pos = 0x100; pos; pos = header >> 20) {
		if (pread(fd, &header, 4, pos) != 4)
			return 0;
		if (PCI_EXT_CAP_ID(header) == PCI_EXT_CAP_ID_DPC)
			return pos;
	}
	return 0;
}

static bool contained(int fd, int cap)
{
	__u16 status = PCI_EXP_DPC_STATUS_TRIGGER;

	return pread(fd, &status, 2, cap + PCI_EXP_DPC_STATUS) != 2 ||
	       status & PCI_EXP_DPC_STATUS_TRIGGER;
}

#define DPC_CTL_SW_TRIGGER	0x40	/* not in linux/pci_regs.h */
#define DPC_SECONDS	4		/* what pciehp gives a recovery */

/*
 * The port takes the link down, because software asks for it, and the kernel
 * recovers. The endpoint's driver unmaps meanwhile, when nothing below the port
 * can answer.
 */
static void then_dpc(int ep)
{
	__u64 resets, began;
	int fd, cap, i;
	char path[96];
	__u16 ctl;
	bool ok;

	ok = sysfs_reset(ep) && healed(ep);
	resets = counter(ep, ATD_RESETS);
	map_dma(alloc_buf(1), ep);
	ats_sysfs(path, sizeof(path), ep, "../config");
	fd = open(path, O_RDWR);
	cap = dpc_cap(fd);
	ok &= cap && pread(fd, &ctl, 2, cap + PCI_EXP_DPC_CTL) == 2;
	ctl |= DPC_CTL_SW_TRIGGER;
	began = now_ns();
	ok &= pwrite(fd, &ctl, 2, cap + PCI_EXP_DPC_CTL) == 2;
	/* The kernel may have dealt with it by now */
	for (i = 0; i < 5000; i++) {
		if (!contained(fd, cap) && ats_is_on(ep))
			break;
		nap();
	}
	began = now_ns() - began;
	ksft_print_msg("dpc.ns=%llu\n", began);
	ksft_test_result(ok && began < DPC_SECONDS * 1000000000ULL,
			 "the recovery from containment asks no device\n");
	close(fd);
	/* What follows the driver's part of it */
	for (i = 0; i < 40; i++)
		nap();
	ok = counter(ep, ATD_RESETS) > resets;
	ksft_test_result(ok && healed(ep), "the recovery brings ATS back\n");
}

/* What a PF and its VFs share is no ATC, and an FLR of a VF is the VF's alone */
static void then_vf(int ep)
{
	ksft_test_result(fenced(ep), "the VF is fenced\n");
	ksft_test_result(healed(PLUGGED) && healed(VF(1)),
			 "its PF and the other VF keep ATS\n");
	ksft_test_result(sysfs_reset(ep) && healed(ep),
			 "an FLR brings the VF's ATS back\n");
}

/*
 * What a machine may lack
 */

static const char *no_port(void)
{
	char path[96];

	if (!ats_there(PLUGGED))
		return "no endpoint 5, which has to be below a port of its own";
	get_info(PLUGGED);
	ats_sysfs(path, sizeof(path), PLUGGED, "../reset_subordinate");
	return access(path, F_OK) ? "endpoint 5 is not below a port" : NULL;
}

static const char *no_bus_reset(void)
{
	const char *why = no_port();

	if (!why && !offers_reset(PLUGGED, "bus"))
		why = "endpoint 5 is not alone on its bus: no bus reset";
	return why;
}

static const char *no_sibling(void)
{
	const char *why = no_port();

	if (!why && !ats_there(SIBLING))
		why = "no endpoint 6, which has to be on the bus of endpoint 5";
	return why;
}

static const char *no_vfs(void)
{
	const char *why = no_port();
	char path[96];

	ats_sysfs(path, sizeof(path), PLUGGED, "sriov_numvfs");
	return why ?: access(path, F_OK) ? "endpoint 5 has no VFs" : NULL;
}

static const char *no_injection(void)
{
	const char *why = no_bus_reset();

	if (!why && access("/dev/aer_inject", W_OK))
		why = "no /dev/aer_inject: needs CONFIG_PCIEAER_INJECT";
	return why;
}

static const char *no_dpc(void)
{
	const char *why = no_bus_reset();
	char path[96];
	int fd;

	if (why)
		return why;
	ats_sysfs(path, sizeof(path), PLUGGED, "../config");
	fd = open(path, O_RDWR);
	if (!dpc_cap(fd))
		why = "the port of endpoint 5 has no DPC";
	close(fd);
	return why;
}

static const char *no_second_cpu(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) < 2 ? "needs 2 CPUs" : NULL;
}

static const char *no_slot(void)
{
	return no_second_cpu() ?: no_bus_reset();
}

static const char *no_module_file(void)
{
	return ats_has_module_file() ? NULL :
	       "no module/ats_testdev.ko beside the program";
}

static const struct scenario scenarios[] = {
	{ { "methods", "every method that the endpoint offers" },
	  .missing = no_bus_reset, .dead = EP(PLUGGED), .ep = PLUGGED,
	  .then = then_methods, .cases = 4 },
	{ { "twice", "twice in a row" },
	  .dead = EP(DEAD), .ep = DEAD, .then = then_twice, .cases = 3 },
	{ { "fails", "a reset that fails" },
	  .missing = no_sibling, .dead = EP(PLUGGED), .ep = PLUGGED,
	  .alone = true, .then = then_fail, .cases = 2 },
	{ { "in-vain", "a reset after which it is still dead" },
	  .dead = EP(DEAD), .ep = DEAD, .for_ever = true,
	  .then = then_in_vain, .cases = 1 },
	{ { "reload", "unbind and bind, rmmod and insmod" },
	  .missing = no_module_file, .dead = EP(DEAD), .ep = DEAD,
	  .then = then_reload, .cases = 3 },
	{ { "rescan-dead", "removed and found again, still dead" },
	  .dead = EP(DEAD), .ep = DEAD, .for_ever = true,
	  .then = then_rescan_dead, .cases = 3 },
	{ { "rescan-healed", "removed, healed, found again" },
	  .dead = EP(DEAD), .ep = DEAD, .then = then_rescan_healed,
	  .cases = 1 },
	{ { "meanwhile", "a reset during the flush" },
	  .missing = no_second_cpu, .dead = EP(DEAD) | EP(0), .ep = DEAD,
	  .meanwhile = meanwhile_reset, .then = then_reset_meanwhile,
	  .cases = 2 },
	{ { "vf", "one of two VFs goes dead" },
	  .missing = no_vfs, .vfs = "2", .dead = EP(VF(0)), .ep = VF(0),
	  .then = then_vf, .cases = 3 },
	{ { "aer", "a fatal error, and the recovery from it" },
	  .missing = no_injection, .dead = EP(PLUGGED), .ep = PLUGGED,
	  .then = then_aer, .cases = 1 },
	{ { "dpc", "its port contains it" },
	  .missing = no_dpc, .dead = EP(PLUGGED), .ep = PLUGGED,
	  .alone = true, .then = then_dpc, .cases = 2 },
	{ { "removed", "a reset of its bus while it is being removed" },
	  .missing = no_slot, .dead = EP(PLUGGED), .ep = PLUGGED,
	  .then = then_removed, .cases = 2 },
	/* The last ones: no rescan brings the endpoint back */
	{ { "pulled-vfs", "a PF and its VFs, removed by surprise" },
	  .missing = no_vfs, .vfs = "2", .dead = EP(VF(0)), .ep = VF(0),
	  .then = then_pulled_vfs, .cases = 2 },
	{ { "pulled", "removed by surprise, during the flush" },
	  .missing = no_slot, .dead = EP(DEAD) | EP(PLUGGED), .ep = PLUGGED,
	  .meanwhile = meanwhile_pull, .then = then_pulled, .cases = 2 },
};

/* On another CPU, as soon as the endpoint was asked */
static void *wait_and_act(void *arg)
{
	int i;

	for (i = 0; i < 1000 && !counter(sc->ep, ATD_INV_IGNORED); i++)
		nap();
	/* The reset and the fence race: the log may or may not blame it */
	ksft_print_msg("ep%d.spared=1\n", sc->ep);
	sc->meanwhile(sc->ep);
	return NULL;
}

/* Returns whether there is a fence that the rest of the scenario is about */
static bool begin(void)
{
	unsigned int judged = sc->dead & ~(sc->meanwhile ? EP(sc->ep) : 0);
	struct ats_verdict v = { .rejected = ~0ULL };
	struct ats_testdev_flush f;
	bool ok = true;
	pthread_t thread;
	int ep;

	for (ep = 0; next_ep(lay.part, &ep); ep++)
		ok &= ats_prepare(&lay, ep) && ats_control(ep);
	lay_bait();
	case_control(ok);

	for (ep = 0; next_ep(sc->dead, &ep); ep++)
		ats_misbehave(ep, sc->for_ever ? ATD_INV_NEVER :
			      ATD_INV_NEVER_UNTIL_RESET, 0);
	ats_hammer_all(lay.part);
	pin(flush_cpu());
	if (sc->meanwhile)
		start_beside(&thread, wait_and_act, NULL);
	unmap(&f, lay.victim, lay.part);
	if (sc->meanwhile) {
		pthread_join(thread, NULL);
		lay.part &= ~EP(sc->ep);
	}
	ats_go_on(lay.part);
	ats_hammers_off(lay.part);

	ok = true;
	print_flush("flush", &f);
	for (ep = 0; next_ep(lay.part, &ep); ep++) {
		print_counters(ep);
		if (judged & EP(ep))
			ats_judge(ep, ATD_REFUSED_AFTER, &v);
		else
			ok &= counter(ep, ATD_ACCEPTED_AFTER) > 0;
	}
	v.corrupted = corrupted(lay.victim);
	ksft_test_result(f.ret == VICTIM_PAGES * PAGE,
			 "the flush took all pages away\n");
	case_verdict(&v);
	case_others(ok);
	return !v.escapes;
}

/* Without a fence the rest of the scenario shows nothing */
static void give_up(void)
{
	unsigned int i;
	int ep;

	for (ep = 0; next_ep(lay.part & sc->dead, &ep); ep++)
		ats_misbehave(ep, ATD_INV_ANSWER, 0);
	for (i = 0; i < sc->cases; i++)
		ksft_test_result_fail("not tried: no endpoint was fenced\n");
}

static void add_vfs(const char *number)
{
	int ep;

	must(sysfs_write(PLUGGED, "sriov_numvfs", number), "sriov_numvfs");
	for (ep = 0; next_ep(EP(VF(0)) | EP(VF(1)), &ep); ep++)
		ats_add_endpoint(ep);
}

int main(int argc, char **argv)
{
	const char *why;

	ksft_print_header();
	sc = ats_choose(argc, argv, scenarios, ARRAY_SIZE(scenarios),
			sizeof(scenarios[0]), NULL);
	ats_start(&sc->is);
	why = sc->missing ? sc->missing() : NULL;
	if (why)
		ksft_exit_skip("%s\n", why);
	ksft_set_plan(5 + sc->cases);
	if (sc->vfs)
		add_vfs(sc->vfs);
	lay.targets = sc->dead;
	if (sc->vfs)
		lay.others = EP(PLUGGED) | EP(VF(1));
	lay.alone = sc->alone;
	ats_setup(&lay);

	if (begin())
		sc->then(sc->ep);
	else
		give_up();
	ksft_finished();
}
