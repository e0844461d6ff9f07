// SPDX-License-Identifier: GPL-2.0
/*
 * Does a device that belongs to user space still write to memory after iommufd
 * has taken it away?
 *
 * As ats_fence, with the same oracle, but the driver of the endpoints is this
 * program: it has them from vfio-pci, maps its own pages in an IOAS, and drives
 * the endpoints by their BAR. So the flushes are those of IOMMU_IOAS_UNMAP and
 * of attaching and detaching a device, and the resets are those of vfio: on
 * request, when the device is closed and opened, and of the whole bus.
 *
 * The pages stay this program's after an unmap and get another content, as if
 * they had a new owner: a write that lands is seen and does no harm.
 *
 * Needs root, vfio-pci with its character device, and the module, which finds
 * the endpoints and then gives two of them away. The reset of a bus needs endpoints
 * below ports of their own; two SMMUs, endpoints 0 and 1 behind one and 2 and 3
 * behind another.
 *
 * What this is not: a test of interrupts, of groups, or of vfio-pci itself.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ats_common.h"

#define TARGET		1	/* goes dead */
#define PASID		5	/* of the target, in the scenario with one */

enum reset {
	RESET,		/* VFIO_DEVICE_RESET */
	REOPEN,		/* close and open */
	HOT_RESET,	/* VFIO_DEVICE_PCI_HOT_RESET */
};

static const char *const reset_names[] = {
	[RESET] = "VFIO_DEVICE_RESET",
	[REOPEN] = "closing and opening it",
	[HOT_RESET] = "VFIO_DEVICE_PCI_HOT_RESET",
};

struct scenario {
	struct ats_scenario s;
	bool two;	/* endpoints in the IOAS */
	bool move;	/* the dead one is attached to another IOAS */
	bool unnoticed;	/* then it goes dead again, and no flush has noticed */
	bool smmus;	/* the other one has another SMMU, as LONER has */
	bool pasid;	/* the victim is what a PASID of the target knows */
	enum reset reset;
};

static const struct scenario scenarios[] = {
	{ { "vfio-unmap", "one of two in an IOAS goes dead" },
	  .two = true, .reset = RESET },
	{ { "vfio-close", "one alone in an IOAS goes dead and is closed" },
	  .reset = REOPEN, .unnoticed = true },
	{ { "vfio-move", "a dead one is attached to another IOAS" },
	  .two = true, .move = true, .reset = RESET },
	{ { "vfio-hot-reset", "one of two goes dead, its bus is reset" },
	  .two = true, .reset = HOT_RESET },
	{ { "vfio-pasid", "one goes dead for a PASID, and so for its RID" },
	  .pasid = true, .reset = RESET },
	{ { "vfio-two-smmus", "one of two goes dead, each has its own SMMU" },
	  .two = true, .smmus = true, .reset = RESET },
};

static struct {
	int fd;
	__u32 devid;		/* in iommufd */
	int ats_cap;
	__u64 config;		/* offset in fd */
	void *bar;
} vdev[MAX_EPS];

static const struct scenario *sc;
static int healthy;		/* the other one in the IOAS */
static unsigned int part;	/* endpoints that are ours */
static int iommufd = -1;
static __u32 ioas, ioas2;
static __u32 victim_ioas;
static __u64 *victim, *kept, *later;

/*
 * This program's pages
 */

static __u64 *alloc_pages(unsigned int n)
{
	void *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	must(p != MAP_FAILED, "mmap");
	return p;
}

/*
 * iommufd
 */

static __u32 new_ioas(void)
{
	struct iommu_ioas_alloc arg = { .size = sizeof(arg) };

	must(!ioctl(iommufd, IOMMU_IOAS_ALLOC, &arg), "IOMMU_IOAS_ALLOC");
	return arg.out_ioas_id;
}

static void map(__u32 id, void *p, unsigned int pages, __u64 iova)
{
	struct iommu_ioas_map arg = {
		.size = sizeof(arg),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_READABLE,
		.ioas_id = id,
		.user_va = (__u64)(unsigned long)p,
		.length = pages * PAGE,
		.iova = iova,
	};

	must(!ioctl(iommufd, IOMMU_IOAS_MAP, &arg), "IOMMU_IOAS_MAP");
}

/* Bytes that were unmapped */
static __u64 unmap(__u32 id, __u64 iova, unsigned int pages)
{
	struct iommu_ioas_unmap arg = {
		.size = sizeof(arg),
		.ioas_id = id,
		.iova = iova,
		.length = pages * PAGE,
	};

	if (ioctl(iommufd, IOMMU_IOAS_UNMAP, &arg)) {
		ksft_perror("IOMMU_IOAS_UNMAP");
		return 0;
	}
	return arg.length;
}

/* A domain that can be beside those of PASIDs, or of the RID */
static __u32 new_pasid_hwpt(int ep, __u32 id)
{
	struct iommu_hwpt_alloc arg = {
		.size = sizeof(arg),
		.flags = IOMMU_HWPT_ALLOC_PASID,
		.dev_id = vdev[ep].devid,
		.pt_id = id,
	};

	must(!ioctl(iommufd, IOMMU_HWPT_ALLOC, &arg), "IOMMU_HWPT_ALLOC");
	return arg.out_hwpt_id;
}

static void attach_pasid(int ep, __u32 pasid, __u32 id)
{
	struct vfio_device_attach_iommufd_pt arg = {
		.argsz = sizeof(arg), .pt_id = id,
		.flags = VFIO_DEVICE_ATTACH_PASID, .pasid = pasid,
	};

	must(!ioctl(vdev[ep].fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg),
	     "attach of a PASID");
}

static void attach(int ep, __u32 id)
{
	struct vfio_device_attach_iommufd_pt arg = {
		.argsz = sizeof(arg), .pt_id = id,
	};

	must(!ioctl(vdev[ep].fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg), "attach");
}

static void detach(int ep)
{
	struct vfio_device_detach_iommufd_pt arg = { .argsz = sizeof(arg) };

	must(!ioctl(vdev[ep].fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg), "detach");
}

/*
 * vfio-pci
 */

static void bind(int ep, const char *driver)
{
	sysfs_write(ep, "driver/unbind", info[ep].bdf);
	if (!sysfs_write(ep, "driver_override", driver) ||
	    !sysfs_write(ep, "subsystem/drivers_probe", info[ep].bdf))
		ksft_exit_fail_msg("no driver for %s\n", info[ep].bdf);
}

static __u64 region(int ep, __u32 index)
{
	struct vfio_region_info arg = {
		.argsz = sizeof(arg), .index = index,
	};

	must(!ioctl(vdev[ep].fd, VFIO_DEVICE_GET_REGION_INFO, &arg), "region");
	return arg.offset;
}

static __u32 config_read(int ep, int pos, size_t size)
{
	__u32 val = 0;

	must(pread(vdev[ep].fd, &val, size, vdev[ep].config + pos) ==
	     (ssize_t)size, "read from config space");
	return val;
}

/* At the endpoint, whatever the kernel believes */
static bool has_ats_on(int ep)
{
	return config_read(ep, vdev[ep].ats_cap + PCI_ATS_CTRL, 2) &
	       PCI_ATS_CTRL_ENABLE;
}

static void allow_dma(int ep)
{
	__u16 cmd = config_read(ep, PCI_COMMAND, 2);

	cmd |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	must(pwrite(vdev[ep].fd, &cmd, 2, vdev[ep].config + PCI_COMMAND) == 2,
	     "write to config space");
}

static int open_cdev(int ep)
{
	char path[300];
	struct dirent *d;
	int fd = -1;
	DIR *dir;

	ats_sysfs(path, sizeof(path), ep, "vfio-dev");
	dir = opendir(path);
	must(dir, path);
	while (fd < 0 && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s", d->d_name);
		if (d->d_name[0] != '.')
			fd = open(path, O_RDWR);
	}
	closedir(dir);
	must(fd >= 0, path);
	return fd;
}

static void open_endpoint(int ep)
{
	struct vfio_device_bind_iommufd arg = {
		.argsz = sizeof(arg), .iommufd = iommufd,
	};

	vdev[ep].fd = open_cdev(ep);
	must(!ioctl(vdev[ep].fd, VFIO_DEVICE_BIND_IOMMUFD, &arg), "bind");
	vdev[ep].devid = arg.out_devid;
	if (sc->pasid) {
		attach(ep, new_pasid_hwpt(ep, ioas));
		attach_pasid(ep, PASID, new_pasid_hwpt(ep, ioas2));
	} else {
		attach(ep, ioas);
	}

	vdev[ep].config = region(ep, VFIO_PCI_CONFIG_REGION_INDEX);
	vdev[ep].ats_cap = find_ext_cap(vdev[ep].fd, vdev[ep].config,
					PCI_EXT_CAP_ID_ATS);
	if (!vdev[ep].ats_cap)
		ksft_exit_fail_msg("endpoint %d: no ATS capability\n", ep);
	allow_dma(ep);

	vdev[ep].bar = mmap(NULL, ATD_BAR_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED, vdev[ep].fd,
			    region(ep, VFIO_PCI_BAR0_REGION_INDEX));
	must(vdev[ep].bar != MAP_FAILED, "mmap of BAR 0");
	ats_set_bar(ep, vdev[ep].bar);
	if (peek(ep, ATD_ID, 4) != ATD_ID_MAGIC)
		ksft_exit_fail_msg("endpoint %d: wrong magic\n", ep);
}

static void close_endpoint(int ep)
{
	ats_set_bar(ep, NULL);
	munmap(vdev[ep].bar, ATD_BAR_SIZE);
	close(vdev[ep].fd);
}

static bool reset_target(void)
{
	struct vfio_pci_hot_reset hot = { .argsz = sizeof(hot) };
	int ret = 0;

	switch (sc->reset) {
	case RESET:
		ret = ioctl(vdev[TARGET].fd, VFIO_DEVICE_RESET);
		break;
	case HOT_RESET:
		ret = ioctl(vdev[TARGET].fd, VFIO_DEVICE_PCI_HOT_RESET, &hot);
		break;
	case REOPEN:
		close_endpoint(TARGET);
		open_endpoint(TARGET);
		break;
	}
	if (ret)
		ksft_perror(reset_names[sc->reset]);
	return !ret;
}

/*
 * The test
 */

/* What the machine lacks, before an endpoint is taken from its driver */
static const char *missing(void)
{
	char one[128] = "", other[128] = "", path[96];

	if (access("/dev/iommu", F_OK))
		return "no /dev/iommu: needs CONFIG_IOMMUFD";
	if (access("/sys/bus/pci/drivers/vfio-pci", F_OK))
		return "no driver vfio-pci: needs CONFIG_VFIO_PCI";
	if (sc->pasid && !has_pasids(TARGET))
		return "endpoint 1 or its SMMU has no PASIDs";
	if (sc->reset == HOT_RESET && !offers_reset(TARGET, "bus"))
		return "endpoint 1 is not alone below a port";
	ats_sysfs(path, sizeof(path), TARGET, "iommu");
	must(readlink(path, one, sizeof(one) - 1) > 0, path);
	ats_sysfs(path, sizeof(path), LONER, "iommu");
	must(readlink(path, other, sizeof(other) - 1) > 0, path);
	if (sc->smmus && !strcmp(one, other))
		return "endpoints 1 and 3 have the same SMMU";
	return NULL;
}

static void setup(void)
{
	int ep;

	iommufd = open("/dev/iommu", O_RDWR);
	must(iommufd >= 0, "/dev/iommu");
	ioas = new_ioas();
	ioas2 = new_ioas();
	kept = alloc_pages(KEPT_PAGES);
	victim = alloc_pages(VICTIM_PAGES);
	later = alloc_pages(VICTIM_PAGES);
	map(ioas, kept, KEPT_PAGES, KEPT_IOVA);
	victim_ioas = sc->pasid ? ioas2 : ioas;
	map(victim_ioas, victim, VICTIM_PAGES, VICTIM_IOVA);

	for (ep = 0; next_ep(part, &ep); ep++) {
		bind(ep, "vfio-pci");
		open_endpoint(ep);
	}
	pin(flush_cpu());
}

static void teardown(void)
{
	int ep;

	for (ep = 0; next_ep(part, &ep); ep++) {
		close_endpoint(ep);
		bind(ep, "\n");
	}
	close(iommufd);
}

static bool writes_land(int ep, __u64 *p, unsigned int pages, __u64 iova)
{
	area[ep] = (struct ats_area) {
		.attr = ATD_ATTR_ATC, .addr = iova, .len = pages * PAGE,
	};
	__atomic_store_n(p, 0, __ATOMIC_RELAXED);
	return ats_writes_land(ep, p);
}

static void control(void)
{
	bool ok;

	if (sc->pasid)
		use_pasid(TARGET, PASID);
	ok = writes_land(TARGET, victim, VICTIM_PAGES, VICTIM_IOVA);
	/* It also knows the victim: an unmap has to take that from it */
	if (sc->two)
		ok &= writes_land(healthy, kept, KEPT_PAGES + VICTIM_PAGES,
				  KEPT_IOVA);
	case_control(ok);
}

/*
 * Meanwhile, on another SMMU: LONER, which is the module's, loses pages that its
 * ATC knows.
 */
static struct {
	pthread_t thread;
	struct ats_testdev_flush flush;
	__u64 ignored;
	bool too_late;
} meanwhile;
static bool flushed;

static void *unmap_meanwhile(void *arg)
{
	int i;

	/* Not for ever */
	for (i = 0; i < 1000; i++) {
		if (counter(TARGET, ATD_INV_IGNORED) != meanwhile.ignored)
			break;
		nap();
	}
	do_ioctl(ATS_TESTDEV_UNMAP, &meanwhile.flush, "LONER's unmap");
	meanwhile.too_late = __atomic_load_n(&flushed, __ATOMIC_RELAXED);
	return arg;
}

static void start_meanwhile(void)
{
	area[LONER].buf = alloc_buf(VICTIM_PAGES);
	area[LONER].addr = map_dma(area[LONER].buf, LONER);
	area[LONER].len = VICTIM_PAGES * PAGE;
	area[LONER].attr = ATD_ATTR_ATC;
	if (!ats_fill(LONER) || !ats_control(LONER))
		ksft_exit_fail_msg("endpoint %d has no ATS\n", LONER);
	meanwhile.flush.buf = area[LONER].buf;
	meanwhile.flush.mark = EP(LONER);
	meanwhile.ignored = counter(TARGET, ATD_INV_IGNORED);
	start_beside(&meanwhile.thread, unmap_meanwhile, NULL);
}

static void case_meanwhile(void)
{
	pthread_join(meanwhile.thread, NULL);
	ksft_print_msg("meanwhile.ns=%llu\n", meanwhile.flush.ns);
	ksft_test_result(!meanwhile.too_late &&
			 meanwhile.flush.ns < opt.timeout_us * 1000ULL / 3,
			 "the queue of another SMMU goes on\n");
}

/*
 * The endpoint goes dead and loses the pages: by an unmap, or because it is
 * attached to another IOAS, after which an unmap does not concern it any more.
 */
static void case_flush(void)
{
	struct ats_verdict v = { .rejected = ~0ULL };
	__u64 size, start, end;
	int ep;

	ats_misbehave(TARGET, ATD_INV_NEVER_UNTIL_RESET, 0);
	/* Words that it writes to the victim meanwhile are no escapes */
	area[healthy].len = KEPT_PAGES * PAGE;
	ats_hammer_all(part);
	if (sc->smmus)
		start_meanwhile();

	start = now_ns();
	if (sc->move)
		attach(TARGET, ioas2);
	size = unmap(victim_ioas, VICTIM_IOVA, VICTIM_PAGES);
	mark(part);
	refill(victim);
	end = now_ns();
	__atomic_store_n(&flushed, true, __ATOMIC_RELAXED);

	ats_go_on(part);
	ats_hammers_off(part);
	ksft_print_msg("flush.ns=%llu\n", end - start);
	ksft_print_msg("fenced.start=%llu\n", counter(TARGET, ATD_TIME));
	for (ep = 0; next_ep(part, &ep); ep++)
		print_counters(ep);
	ats_judge(TARGET, ATD_REFUSED_AFTER, &v);
	v.corrupted = changed(victim);

	ksft_test_result(size == VICTIM_PAGES * PAGE,
			 "the flush took all pages away\n");
	case_verdict(&v);
}

/* The other one in the IOAS */
static void case_healthy(void)
{
	bool stale;

	stale = command(healthy, ATD_CMD_ATC_LOOKUP, VICTIM_IOVA, PAGE) !=
		ATD_E_MISS;
	case_others(counter(healthy, ATD_ACCEPTED_AFTER) > 0);
	command(healthy, ATD_CMD_ATC_DROP, 0, 0);
	ksft_test_result(!stale && has_ats_on(healthy) &&
			 writes_land(healthy, kept, KEPT_PAGES, KEPT_IOVA),
			 "endpoints that answer keep ATS\n");
}

/* Where there is a PASID: the next flush is one of the RID */
static void case_second_flush(void)
{
	__u32 id = sc->move ? ioas2 : ioas;
	__u64 asked, start, ns;

	map(id, later, 1, SECOND_IOVA);
	asked = counter(TARGET, ATD_INV_RECEIVED);
	start = now_ns();
	unmap(id, SECOND_IOVA, 1);
	ns = now_ns() - start;
	asked = counter(TARGET, ATD_INV_RECEIVED) - asked;
	case_not_asked(TARGET, asked, ns, "the next flush asks no dead endpoint");
}

/*
 * Neither a detach nor an attach gives ATS back, not for a moment. The hammer
 * goes by the address that the ATC had, so that it works even if ATS is off at
 * the endpoint.
 */
static void case_reattach(void)
{
	__u64 escapes, refused;
	bool known;

	known = command(TARGET, ATD_CMD_ATC_LOOKUP, VICTIM_IOVA, PAGE) == ATD_OK;
	refill(victim);
	hammer(TARGET, peek(TARGET, ATD_DATA, 8), PAGE, ATD_ATTR_RAW_TRANSLATED);
	mark(EP(TARGET));
	detach(TARGET);
	wait_for_attempts(TARGET, ENOUGH);
	attach(TARGET, ioas);
	wait_for_attempts(TARGET, counter(TARGET, ATD_REFUSED_AFTER) + ENOUGH);
	hammer_off(TARGET);

	escapes = counter(TARGET, ATD_ACCEPTED_AFTER);
	refused = counter(TARGET, ATD_REFUSED_AFTER);
	ksft_print_msg("reattach.escapes=%llu\n", escapes);
	ksft_print_msg("reattach.refused=%llu\n", refused);
	ksft_test_result(known && !escapes && refused >= 2 * ENOUGH &&
			 !changed(victim),
			 "no attach lets a fenced endpoint write\n");
}

/* A reset brings ATS back, and with it flushes that are answered */
static void case_reset(const char *state)
{
	const char *name = reset_names[sc->reset];
	__u64 resets, start, ns, size;
	bool ok;

	if (!state[0])
		ksft_print_msg("fenced.end=%llu\n", counter(TARGET, ATD_TIME));
	resets = counter(TARGET, ATD_RESETS);
	ok = reset_target();
	resets = counter(TARGET, ATD_RESETS) - resets;
	ksft_print_msg("reset.resets=%llu\n", resets);
	ksft_print_msg("reset.ats=%d\n", has_ats_on(TARGET));

	map(ioas, later, VICTIM_PAGES, THIRD_IOVA);
	ok = ok && resets && has_ats_on(TARGET) &&
	     writes_land(TARGET, later, VICTIM_PAGES, THIRD_IOVA);
	if (sc->pasid) {
		map(ioas2, victim, VICTIM_PAGES, VICTIM_IOVA);
		use_pasid(TARGET, PASID);
		ok = ok && writes_land(TARGET, victim, VICTIM_PAGES, VICTIM_IOVA);
		use_pasid(TARGET, RID);
		ok = ok && writes_land(TARGET, later, VICTIM_PAGES, THIRD_IOVA);
	}
	ksft_test_result(ok, "%s%s brings ATS back\n", name, state);

	ats_hammer_all(EP(TARGET));
	start = now_ns();
	size = unmap(ioas, THIRD_IOVA, VICTIM_PAGES);
	mark(EP(TARGET));
	refill(later);
	ns = now_ns() - start;
	wait_for_attempts(TARGET, ENOUGH);
	hammer_off(TARGET);
	ksft_print_msg("after_reset.ns=%llu\n", ns);
	ksft_print_msg("after_reset.escapes=%llu\n",
		       counter(TARGET, ATD_ACCEPTED_AFTER));
	ksft_print_msg("after_reset.missed=%llu\n",
		       counter(TARGET, ATD_MISSED_AFTER));
	ksft_test_result(size == VICTIM_PAGES * PAGE && ns < limit_ns() &&
			 ats_answered(TARGET) && !changed(later),
			 "after %s%s a flush is answered\n", name, state);
}

/*
 * The first to ask the dead endpoint is the reset itself: it takes the endpoint
 * out of its domain before.
 */
static void case_unnoticed(void)
{
	__u64 ignored = counter(TARGET, ATD_INV_IGNORED);

	ats_misbehave(TARGET, ATD_INV_NEVER_UNTIL_RESET, 0);
	case_reset(" before it is fenced");
	ignored = counter(TARGET, ATD_INV_IGNORED) - ignored;
	ksft_test_result(ignored, "the reset finds out that it is dead\n");
}

int main(int argc, char **argv)
{
	const char *why;

	ksft_print_header();
	sc = ats_choose(argc, argv, scenarios, ARRAY_SIZE(scenarios),
			sizeof(scenarios[0]), NULL);
	healthy = sc->smmus ? 2 : 0;
	part = EP(TARGET) | (sc->two ? EP(healthy) : 0);
	ats_start(&sc->s);
	why = missing();
	if (why)
		ksft_exit_skip("%s\n", why);
	ksft_set_plan(7 + (sc->two ? 2 : 0) + sc->move + sc->smmus +
		      (sc->unnoticed ? 3 : 0));
	setup();

	control();
	case_flush();
	if (sc->smmus)
		case_meanwhile();
	if (sc->two)
		case_healthy();
	case_second_flush();
	if (sc->move)
		case_reattach();
	case_reset("");
	if (sc->unnoticed)
		case_unnoticed();

	teardown();
	ksft_finished();
}
