/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What user space asks of the ats_testdev module, through /dev/ats_testdev.
 *
 * One opener at a time. Endpoints, buffers and domains are named by small
 * numbers: an endpoint by the order in which the PCI core found it, the others
 * by the order in which they were made. Buffers and domains live until the
 * file is closed, so that a stale write always lands in a page that belongs to
 * the test.
 *
 * What this is not: an interface for anything but the test beside it. It may
 * change with every commit.
 */
#ifndef ATS_TESTDEV_UAPI_H
#define ATS_TESTDEV_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define ATS_TESTDEV_MAX_EPS	8
#define ATS_TESTDEV_MAX_BUFS	16
#define ATS_TESTDEV_MAX_DOMS	4
#define ATS_TESTDEV_MAX_PASIDS	8
#define ATS_TESTDEV_NONE	0xffffffffU

#define ATS_TESTDEV_HAS_ATS	0x1	/* has the ATS capability */
#define ATS_TESTDEV_ATS_ON	0x2	/* ATSCtl.E, from config space */

struct ats_testdev_info {
	__u32 ep;
	__u32 flags;
	__u32 sid;
	char bdf[20];
};

/* One access of 4 or 8 bytes to BAR 0 */
struct ats_testdev_reg {
	__u32 ep;
	__u32 off;
	__u32 size;
	__u32 pad;
	__u64 val;
};

struct ats_testdev_alloc {
	__u32 pages;		/* a power of two; contiguous, zeroed */
	__u32 buf;		/* out */
};

struct ats_testdev_domain {
	__u32 ep;
	__u32 dom;		/* out for DOMAIN, in for ATTACH */
};

/* One of the domains that the driver of the endpoint's IOMMU always has */
#define ATS_TESTDEV_IDENTITY	0
#define ATS_TESTDEV_BLOCKED	1

struct ats_testdev_static {
	__u32 ep;
	__u32 kind;
	__u32 dom;		/* out */
	__u32 pad;
};

/* Looks at the endpoint's STE in memory, again and again for us microseconds */
struct ats_testdev_watch {
	__u32 ep;
	__u32 us;
	__u64 samples;		/* out */
	__u64 eats;		/* out: of these, with EATS not 0 */
};

/*
 * dom is ATS_TESTDEV_NONE: the DMA API maps for ep and chooses iova. Otherwise
 * iommu_map() puts the buffer at iova of the domain.
 */
struct ats_testdev_map {
	__u32 buf;
	__u32 ep;
	__u32 dom;
	__u32 pad;
	__u64 iova;
};

/* UNMAP with interrupts disabled, as a driver may */
#define ATS_TESTDEV_IRQS_OFF	0x1

/*
 * UNMAP takes a buffer out of what it is mapped in. DETACH takes endpoint ep
 * out of domain dom and leaves the buffer where it is.
 *
 * Both then, in this order and at once: start the _AFTER counters of every
 * endpoint in mark (a bit mask), fill the buffer with pattern.
 */
struct ats_testdev_flush {
	__u32 buf;
	__u32 ep;		/* DETACH */
	__u32 dom;		/* DETACH */
	__u32 mark;
	__u64 pattern;
	__u64 ret;		/* out: what the kernel's function returned */
	__u64 ns;		/* out: time in it, by the kernel's clock */
	__u64 start;		/* out: virtual ns, clock of the endpoint */
	__u64 end;
	__u64 flags;		/* UNMAP */
};

/* Keeps this CPU busy, with interrupts off, and then again with preemption off */
struct ats_testdev_stuck {
	__u32 ms;
};

struct ats_testdev_fill {
	__u32 buf;
	__u32 pad;
	__u64 pattern;
};

/*
 * PASID_ATTACH and PASID_DETACH: a domain for one PASID of an endpoint, beside
 * that of its RID. SVA_BIND gives the endpoint the address space of the caller.
 * Its pages have to be there: the endpoint sends no page requests.
 */
struct ats_testdev_pasid {
	__u32 ep;
	__u32 pasid;		/* out for SVA_BIND */
	__u32 dom;		/* PASID_ATTACH */
	__u32 pad;
};

/* Counts 8-byte words w with w != pattern and (w & mask) == value */
struct ats_testdev_check {
	__u32 buf;
	__u32 pad;
	__u64 pattern;
	__u64 mask;
	__u64 value;
	__u64 words;		/* out */
	__u64 pages;		/* out: in how many pages they are */
};

/*
 * Maps a page at iova of a new domain and unmaps it, rounds times, with
 * interrupts off. In the domain are the groups of the functions devfn[] of the
 * first bus, nr of them. Endpoint ep, the clock, is marked before the first and
 * after the last round.
 */
struct ats_testdev_cost {
	__u32 ep;
	__u32 rounds;
	__u32 nr;
	__u16 devfn[30];
	__u64 iova;
	__u64 ns[16];		/* out: virtual ns of each round */
};

#define ATS_TESTDEV_INFO	_IOWR('A', 0x40, struct ats_testdev_info)
#define ATS_TESTDEV_PEEK	_IOWR('A', 0x41, struct ats_testdev_reg)
#define ATS_TESTDEV_POKE	_IOW('A', 0x42, struct ats_testdev_reg)
#define ATS_TESTDEV_ALLOC	_IOWR('A', 0x43, struct ats_testdev_alloc)
#define ATS_TESTDEV_DOMAIN	_IOWR('A', 0x44, struct ats_testdev_domain)
#define ATS_TESTDEV_ATTACH	_IOW('A', 0x45, struct ats_testdev_domain)
#define ATS_TESTDEV_DETACH	_IOWR('A', 0x46, struct ats_testdev_flush)
#define ATS_TESTDEV_MAP		_IOWR('A', 0x47, struct ats_testdev_map)
#define ATS_TESTDEV_UNMAP	_IOWR('A', 0x48, struct ats_testdev_flush)
#define ATS_TESTDEV_FILL	_IOW('A', 0x49, struct ats_testdev_fill)
#define ATS_TESTDEV_CHECK	_IOWR('A', 0x4a, struct ats_testdev_check)
#define ATS_TESTDEV_COST	_IOWR('A', 0x50, struct ats_testdev_cost)
#define ATS_TESTDEV_STATIC	_IOWR('A', 0x4b, struct ats_testdev_static)
#define ATS_TESTDEV_WATCH	_IOWR('A', 0x4c, struct ats_testdev_watch)
#define ATS_TESTDEV_STUCK	_IOW('A', 0x4d, struct ats_testdev_stuck)
#define ATS_TESTDEV_PASID_ATTACH _IOW('A', 0x50, struct ats_testdev_pasid)
#define ATS_TESTDEV_PASID_DETACH _IOW('A', 0x51, struct ats_testdev_pasid)
#define ATS_TESTDEV_SVA_BIND	_IOWR('A', 0x52, struct ats_testdev_pasid)
#define ATS_TESTDEV_SVA_UNBIND	_IOW('A', 0x53, struct ats_testdev_pasid)

#endif /* ATS_TESTDEV_UAPI_H */
