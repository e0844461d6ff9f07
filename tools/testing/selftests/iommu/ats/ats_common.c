// SPDX-License-Identifier: GPL-2.0
/*
 * The endpoints, the module's ioctls and the hammers: see ats_common.h.
 *
 * What this is not: a place for cases. It reports none, see there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "ats_common.h"

struct ats_opt opt = {
	.cpu = -1, .timeout_us = 1000000, .period_us = 200, .gerror_cpu = -1,
};

int dev = -1;
struct ats_testdev_info info[MAX_EPS];
struct ats_area area[MAX_EPS];
__u64 before[MAX_EPS];

static char *bars[MAX_EPS];

static bool parse_option(const char *arg, const struct ats_option *o)
{
	size_t len;

	for (; o && o->key; o++) {
		len = strlen(o->key);
		if (!strncmp(arg, o->key, len) && arg[len] == '=') {
			*o->val = atol(arg + len + 1);
			return true;
		}
	}
	return false;
}

/*
 * The scenario that the command line names, its options read. Without a name
 * all scenarios are run, and the program ends. It also ends with an option that
 * is neither here nor in @more, or with a scenario that does not exist.
 */
const void *ats_choose(int argc, char **argv, const void *table, size_t n,
		       size_t size, const struct ats_option *more)
{
	static const struct ats_option common[] = {
		{ "cpu", &opt.cpu },
		{ "timeout_us", &opt.timeout_us },
		{ "late_us", &opt.late_us },
		{ "period_us", &opt.period_us },
		{ "gerror_cpu", &opt.gerror_cpu },
		{ }
	};
	bool named = argc > 1 && !strchr(argv[1], '=');
	const struct ats_scenario *sc;
	size_t s;
	int i;

	for (i = 1 + named; i < argc; i++) {
		if (!parse_option(argv[i], common) &&
		    !parse_option(argv[i], more))
			ksft_exit_fail_msg("unknown option %s\n", argv[i]);
	}
	if (!named)
		ats_run_all(argc, argv, table, n, size);
	for (s = 0; s < n; s++) {
		sc = table + s * size;
		if (!strcmp(argv[1], sc->name))
			return sc;
	}
	for (s = 0; s < n; s++) {
		sc = table + s * size;
		ksft_print_msg("%s: %s\n", sc->name, sc->what);
	}
	ksft_exit_fail_msg("no scenario %s; usage: %s [SCENARIO] [key=value...]\n",
			   argv[1], argv[0]);
}

/* 0, or -1 and errno */
int ats_open(void)
{
	dev = open(ATS_DEV, O_RDWR | O_CLOEXEC);
	return dev < 0 ? -1 : 0;
}

/* Has the SMMU's error interrupt delivered to a CPU */
static void route_gerror(long cpu)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char line[512], path[64];
	int irq = -1;

	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, "arm-smmu-v3-gerror"))
			irq = atoi(line);
	}
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", irq);
	f = fopen(path, "w");
	if (!f || fprintf(f, "%ld\n", cpu) < 0 || fclose(f))
		ksft_exit_fail_msg("%s: %s\n", path, strerror(errno));
}

/* Says where it is, and has it answer. Ends the program if it is not there */
void ats_add_endpoint(int ep)
{
	get_info(ep);
	ksft_print_msg("ep%d.bdf=%s\n", ep, info[ep].bdf);
	ksft_print_msg("ep%d.sid=%#x\n", ep, info[ep].sid);
	poke(ep, ATD_CMD, 4, ATD_CMD_CLEAR_COUNTERS);
	poke(ep, ATD_INV_MODE, 4, ATD_INV_ANSWER);
}

/* Ends the program if one is missing that all scenarios need */
static void find_endpoints(void)
{
	bool ats, want;
	int ep;

	for (ep = 0; ep < MAX_EPS; ep++) {
		if (!ats_there(ep) && ep >= NR_EPS)
			break;
		if (!ats_there(ep))
			ksft_exit_skip("endpoint %d is missing: %d are needed\n",
				       ep, NR_EPS);
		ats_add_endpoint(ep);
		ats = info[ep].flags & ATS_TESTDEV_HAS_ATS;
		want = ep != NEIGHBOUR;
		if (ats != want)
			ksft_exit_skip("endpoint %d: %s ATS capability\n", ep,
				       ats ? "must have no" : "needs an");
		if (want && !(info[ep].flags & ATS_TESTDEV_ATS_ON))
			ksft_exit_skip("endpoint %d: ATS is off. Is it fenced? Has its SMMU ATS?\n",
				       ep);
	}
}

/* Ends the program if the module or the endpoints are missing */
void ats_start(const struct ats_scenario *sc)
{
	ksft_print_msg("scenario=%s\n", sc->name);
	ksft_print_msg("%s\n", sc->what);
	if (ats_open())
		ksft_exit_skip("%s: %s\n", ATS_DEV, strerror(errno));
	find_endpoints();
}

void must(bool ok, const char *what)
{
	if (!ok)
		ksft_exit_fail_msg("%s: %s\n", what, strerror(errno));
}

bool next_ep(unsigned int eps, int *ep)
{
	while (*ep < MAX_EPS && !(eps & EP(*ep)))
		(*ep)++;
	return *ep < MAX_EPS;
}

void do_ioctl(unsigned long cmd, void *arg, const char *what)
{
	must(!ioctl(dev, cmd, arg), what);
}

void get_info(int ep)
{
	info[ep].ep = ep;
	do_ioctl(ATS_TESTDEV_INFO, &info[ep], "info");
}

/* Does the module have an endpoint of that number (now)? */
bool ats_there(int ep)
{
	struct ats_testdev_info arg = { .ep = ep };

	return !ioctl(dev, ATS_TESTDEV_INFO, &arg);
}

/* What the endpoint's config space says, not what the kernel believes */
bool ats_is_on(int ep)
{
	get_info(ep);
	return info[ep].flags & ATS_TESTDEV_ATS_ON;
}

__u32 alloc_buf(unsigned int pages)
{
	struct ats_testdev_alloc arg = { .pages = pages };

	do_ioctl(ATS_TESTDEV_ALLOC, &arg, "alloc");
	return arg.buf;
}

/* A paging domain on the SMMU of an endpoint */
__u32 ats_domain(int ep)
{
	struct ats_testdev_domain arg = { .ep = ep };

	do_ioctl(ATS_TESTDEV_DOMAIN, &arg, "domain");
	return arg.dom;
}

void ats_attach(int ep, __u32 dom)
{
	struct ats_testdev_domain arg = { .ep = ep, .dom = dom };

	do_ioctl(ATS_TESTDEV_ATTACH, &arg, "attach");
}

void map_dom(__u32 buf, __u32 dom, __u64 iova)
{
	struct ats_testdev_map arg = {
		.buf = buf, .dom = dom, .iova = iova
	};

	do_ioctl(ATS_TESTDEV_MAP, &arg, "map in the domain");
}

__u64 map_dma(__u32 buf, int ep)
{
	struct ats_testdev_map arg = {
		.buf = buf, .ep = ep, .dom = ATS_TESTDEV_NONE
	};

	do_ioctl(ATS_TESTDEV_MAP, &arg, "map for the DMA API");
	return arg.iova;
}

void ats_fill_buf(__u32 buf, __u64 pattern)
{
	struct ats_testdev_fill arg = { .buf = buf, .pattern = pattern };

	do_ioctl(ATS_TESTDEV_FILL, &arg, "fill");
}

/* Registers through a mapping of BAR 0 instead of the module; NULL: module */
void ats_set_bar(int ep, void *bar)
{
	bars[ep] = bar;
}

/* Atomic because these are registers: one access, of the size asked for */
__u64 peek(int ep, __u32 off, __u32 size)
{
	struct ats_testdev_reg reg = { .ep = ep, .off = off, .size = size };

	if (bars[ep] && size == 8)
		return __atomic_load_n((__u64 *)(bars[ep] + off),
				       __ATOMIC_RELAXED);
	if (bars[ep])
		return __atomic_load_n((__u32 *)(bars[ep] + off),
				       __ATOMIC_RELAXED);
	do_ioctl(ATS_TESTDEV_PEEK, &reg, "peek");
	return reg.val;
}

void poke(int ep, __u32 off, __u32 size, __u64 val)
{
	struct ats_testdev_reg reg = {
		.ep = ep, .off = off, .size = size, .val = val
	};

	if (bars[ep] && size == 8)
		__atomic_store_n((__u64 *)(bars[ep] + off), val,
				 __ATOMIC_RELAXED);
	else if (bars[ep])
		__atomic_store_n((__u32 *)(bars[ep] + off), val,
				 __ATOMIC_RELAXED);
	else
		do_ioctl(ATS_TESTDEV_POKE, &reg, "poke");
}

__u64 counter(int ep, __u32 off)
{
	return peek(ep, off, 8);
}

int command(int ep, __u32 cmd, __u64 addr, __u64 len)
{
	poke(ep, ATD_ADDR, 8, addr);
	poke(ep, ATD_LEN, 8, len);
	poke(ep, ATD_CMD, 4, cmd);
	return peek(ep, ATD_RESULT, 4);
}

void hammer(int ep, __u64 addr, __u64 len, __u32 attr)
{
	poke(ep, ATD_HAMMER_CTRL, 4, 0);
	poke(ep, ATD_HAMMER_PERIOD, 4, opt.period_us * 1000);
	poke(ep, ATD_HAMMER_ADDR, 8, addr);
	poke(ep, ATD_HAMMER_LEN, 8, len);
	poke(ep, ATD_HAMMER_PATTERN, 8, TAG(ep));
	poke(ep, ATD_HAMMER_CTRL, 4,
	     ATD_HAMMER_ENABLE | attr << ATD_HAMMER_ATTR_SHIFT);
}

void hammer_off(int ep)
{
	poke(ep, ATD_HAMMER_CTRL, 4, 0);
}

/* "The flush has returned", for one that is not an ioctl of the module */
void mark(unsigned int eps)
{
	int ep;

	for (ep = 0; next_ep(eps, &ep); ep++)
		poke(ep, ATD_MARK, 4, ATD_MARK_START);
}

/* For the commands and for the hammer. A reset selects the RID */
void use_pasid(int ep, __u32 pasid)
{
	__u32 reg = pasid == RID ? 0 : ATD_PASID_VALID | pasid;

	poke(ep, ATD_PASID, 4, reg);
	poke(ep, ATD_HAMMER_PASID, 4, reg);
}

__u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

void nap(void)
{
	struct timespec ts = { .tv_nsec = 5 * 1000 * 1000 };

	nanosleep(&ts, NULL);
}

/*
 * A flush that takes longer has waited for an endpoint. Not less than the
 * second for which the driver polls: a busy host may stop a guest for a while.
 */
__u64 limit_ns(void)
{
	__u64 ns = opt.timeout_us * 1000ULL;

	return ns < 1000000000 ? 1000000000 : ns;
}

/* Naps for a hammer to make this many attempts, with a margin of ten */
int patience(unsigned int attempts)
{
	return 10 * attempts * opt.period_us / 5000 + 10;
}

void pin(long cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		ksft_exit_fail_msg("CPU %ld: %s\n", cpu, strerror(errno));
}

/*
 * Runs fn on another CPU than the one that flushes. The thread has to start
 * there: one that starts here runs here first, which is after the flush if that
 * polls with interrupts off.
 */
void start_beside(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int err;

	CPU_ZERO(&set);
	CPU_SET(flush_cpu() ? 0 : 1, &set);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	err = pthread_create(thread, &attr, fn, arg);
	if (err)
		ksft_exit_fail_msg("pthread_create: %s\n", strerror(err));
	pthread_attr_destroy(&attr);
}

long flush_cpu(void)
{
	return opt.cpu < 0 ? sysconf(_SC_NPROCESSORS_ONLN) - 1 : opt.cpu;
}

/*
 * The trio, and the endpoints beyond NR_EPS that take part, in a domain that
 * they share, or, with @lay->alone, a target by itself. The others have their
 * default domains.
 */
void ats_setup(struct ats_layout *lay)
{
	unsigned int shared;
	int ep;

	if (opt.gerror_cpu >= 0)
		route_gerror(opt.gerror_cpu);
	lay->victim = alloc_buf(VICTIM_PAGES);
	lay->kept = alloc_buf(KEPT_PAGES);
	area[LONER].buf = alloc_buf(VICTIM_PAGES);
	area[NEIGHBOUR].buf = alloc_buf(VICTIM_PAGES);

	lay->part = EP(LONER) | EP(NEIGHBOUR) | lay->targets | lay->others;
	if (lay->alone)
		return;
	lay->part |= EP(TRIO) - 1;
	lay->dom = ats_domain(0);
	shared = lay->part & ~(EP(LONER) | EP(NEIGHBOUR));
	for (ep = 0; next_ep(shared, &ep); ep++)
		ats_attach(ep, lay->dom);
	map_dom(lay->kept, lay->dom, KEPT_IOVA);
	map_dom(lay->victim, lay->dom, VICTIM_IOVA);
}

/* Chooses, and if need be maps, what an endpoint writes to; fills its ATC */
bool ats_prepare(const struct ats_layout *lay, int ep)
{
	struct ats_area *a = &area[ep];

	a->attr = ep == NEIGHBOUR ? ATD_ATTR_UNTRANSLATED : ATD_ATTR_ATC;
	a->len = VICTIM_PAGES * PAGE;
	if (ep == LONER || ep == NEIGHBOUR) {
		a->addr = map_dma(a->buf, ep);
	} else if (lay->alone) {
		a->buf = lay->victim;
		a->addr = map_dma(lay->victim, ep);
	} else if (lay->targets & EP(ep)) {
		a->buf = lay->victim;
		a->addr = VICTIM_IOVA;
	} else {
		a->buf = lay->kept;
		a->addr = KEPT_IOVA;
		if (lay->keep_off)
			a->len = 0;
		a->len += KEPT_PAGES * PAGE;
	}
	return ats_fill(ep);
}

/* Fills the ATC with the endpoint's area, unless its hammer does not use it */
bool ats_fill(int ep)
{
	int ret;

	if (area[ep].attr != ATD_ATTR_ATC)
		return true;
	ret = command(ep, ATD_CMD_ATC_FILL, area[ep].addr, area[ep].len);
	if (ret != ATD_OK)
		ksft_print_msg("endpoint %d: ATC fill: %d\n", ep, ret);
	return ret == ATD_OK;
}

/*
 * The positive control. One hammer at a time: two that write to the same pages
 * hide each other.
 */
bool ats_control(int ep)
{
	bool seen = false;
	int i;

	hammer(ep, area[ep].addr, area[ep].len, area[ep].attr);
	for (i = 0; i < patience(SEEN) && !seen; i++) {
		nap();
		seen = counter(ep, ATD_ACCEPTED) >= SEEN &&
		       tagged(area[ep].buf, ep).words;
	}
	hammer_off(ep);
	if (!seen)
		ksft_print_msg("endpoint %d: no write seen in memory\n", ep);
	return seen;
}

void ats_misbehave(int ep, __u32 mode, __u32 arg)
{
	poke(ep, ATD_INV_ARG, 4, arg);
	poke(ep, ATD_INV_MODE, 4, mode);
}

/* Every hammer at its area */
void ats_hammer_all(unsigned int eps)
{
	int ep;

	for (ep = 0; next_ep(eps, &ep); ep++) {
		before[ep] = counter(ep, ATD_ACCEPTED);
		hammer(ep, area[ep].addr, area[ep].len, area[ep].attr);
	}
}

__u64 attempts_after(int ep)
{
	return counter(ep, ATD_ACCEPTED_AFTER) +
	       counter(ep, ATD_REFUSED_AFTER) +
	       counter(ep, ATD_MISSED_AFTER);
}

void wait_for_attempts(int ep, __u64 n)
{
	int i;

	for (i = 0; i < patience(n) && attempts_after(ep) < n; i++)
		nap();
}

/*
 * Every endpoint gets time for enough attempts. A target whose writes still
 * land gets as long as the others: that suffices to tell.
 */
void ats_go_on(unsigned int eps)
{
	int ep, i;

	for (ep = 0; next_ep(eps, &ep); ep++) {
		for (i = 0; i < patience(ENOUGH); i++) {
			if (attempts_after(ep) >= ENOUGH + 28)
				break;
			nap();
		}
	}
}

void ats_hammers_off(unsigned int eps)
{
	int ep;

	for (ep = 0; next_ep(eps, &ep); ep++)
		hammer_off(ep);
}

/* Words in the buffer that the hammer of an endpoint has written */
struct ats_testdev_check tagged(__u32 buf, int ep)
{
	struct ats_testdev_check arg = {
		.buf = buf, .mask = TAG_MASK, .value = TAG(ep),
	};

	do_ioctl(ATS_TESTDEV_CHECK, &arg, "check");
	return arg;
}

/* Words in the buffer that are no longer what its new owner wrote */
__u64 corrupted(__u32 buf)
{
	struct ats_testdev_check arg = { .buf = buf, .pattern = REFILL };

	do_ioctl(ATS_TESTDEV_CHECK, &arg, "check");
	return arg.words;
}

void print_counters(int ep)
{
	static const struct {
		const char *name;
		__u32 off;
	} after[] = {
		{ "accepted_after", ATD_ACCEPTED_AFTER },
		{ "refused_after", ATD_REFUSED_AFTER },
		{ "missed_after", ATD_MISSED_AFTER },
		{ "mark_time", ATD_MARK_TIME },
		{ "last_accepted_after", ATD_LAST_ACCEPTED_AFTER },
		{ "inv_received", ATD_INV_RECEIVED },
		{ "inv_ignored", ATD_INV_IGNORED },
	};
	size_t i;

	ksft_print_msg("ep%d.accepted_before=%llu\n", ep, before[ep]);
	ksft_print_msg("ep%d.accepted_during=%llu\n", ep,
		       counter(ep, ATD_ACCEPTED) - before[ep] -
		       counter(ep, ATD_ACCEPTED_AFTER));
	for (i = 0; i < ARRAY_SIZE(after); i++)
		ksft_print_msg("ep%d.%s=%llu\n", ep, after[i].name,
			       counter(ep, after[i].off));
}

void print_flush(const char *name, const struct ats_testdev_flush *f)
{
	ksft_print_msg("%s.ret=%llu\n", name, f->ret);
	ksft_print_msg("%s.ns=%llu\n", name, f->ns);
	ksft_print_msg("%s.start=%llu\n", name, f->start);
	ksft_print_msg("%s.end=%llu\n", name, f->end);
}

/* Its flush was answered: it has nothing left to write through */
bool ats_answered(int ep)
{
	return !counter(ep, ATD_ACCEPTED_AFTER) &&
	       counter(ep, ATD_MISSED_AFTER) >= ENOUGH;
}

/* Fills the ATC, and lets the hammer write until it is seen at @p */
bool ats_writes_land(int ep, const __u64 *p)
{
	bool seen = false;
	int i;

	if (!ats_fill(ep))
		return false;
	mark(EP(ep));
	ats_hammer_all(EP(ep));
	for (i = 0; i < patience(SEEN) && !seen; i++) {
		nap();
		seen = counter(ep, ATD_ACCEPTED_AFTER) >= SEEN &&
		       (__atomic_load_n(p, __ATOMIC_RELAXED) & TAG_MASK) ==
		       TAG(ep);
	}
	hammer_off(ep);
	poke(ep, ATD_MARK, 4, ATD_MARK_STOP);
	if (!seen)
		ksft_print_msg("endpoint %d: no write seen in memory\n", ep);
	return seen;
}

/* The next owner's content, for a victim that is mapped in this process */
void refill(__u64 *p)
{
	size_t i;

	for (i = 0; i < VICTIM_PAGES * PAGE / sizeof(*p); i++)
		__atomic_store_n(&p[i], REFILL, __ATOMIC_RELAXED);
}

/* Words of it that are no longer what refill() wrote */
__u64 changed(const __u64 *p)
{
	__u64 words = 0;
	size_t i;

	for (i = 0; i < VICTIM_PAGES * PAGE / sizeof(*p); i++)
		words += __atomic_load_n(&p[i], __ATOMIC_RELAXED) != REFILL;
	return words;
}

/*
 * Adds a target's hammer to the verdict. @in_vain is the counter that shows it
 * alive: ATD_REFUSED_AFTER if the SMMU has to refuse it, ATD_MISSED_AFTER if it
 * answered and so has nothing left to write through. Start @v with rejected at
 * its maximum. What the pages say (v->corrupted) is the caller's part.
 */
void ats_judge(int ep, __u32 in_vain, struct ats_verdict *v)
{
	__u64 n = counter(ep, in_vain);

	ksft_print_msg("ep%d.target=1\n", ep);
	v->escapes += counter(ep, ATD_ACCEPTED_AFTER);
	if (n < v->rejected)
		v->rejected = n;
}

void ats_print_verdict(const struct ats_verdict *v)
{
	ksft_print_msg("escapes=%llu\n", v->escapes);
	ksft_print_msg("corrupted=%llu\n", v->corrupted);
	ksft_print_msg("rejected=%llu\n", v->rejected);
}

/* The path of an attribute of the endpoint's PCI device */
void ats_sysfs(char *path, size_t size, int ep, const char *file)
{
	snprintf(path, size, "/sys/bus/pci/devices/%s/%s", info[ep].bdf, file);
}

bool sysfs_write(int ep, const char *file, const char *text)
{
	ssize_t len = strlen(text);
	char path[96];
	bool ret;
	int fd;

	ats_sysfs(path, sizeof(path), ep, file);
	fd = open(path, O_WRONLY);
	ret = fd >= 0 && write(fd, text, len) == len;
	if (!ret)
		ksft_perror(path);
	if (fd >= 0)
		close(fd);
	return ret;
}

bool sysfs_reset(int ep)
{
	return sysfs_write(ep, "reset", "1");
}

bool offers_reset(int ep, const char *method)
{
	char path[96], text[128] = "", *word, *save;
	FILE *f;

	ats_sysfs(path, sizeof(path), ep, "reset_method");
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	for (word = strtok_r(text, "\n ", &save); word;
	     word = strtok_r(NULL, "\n ", &save)) {
		if (!strcmp(word, method))
			return true;
	}
	return false;
}

/* Where in config space, which begins at @config of @fd; 0: not there */
int find_ext_cap(int fd, __u64 config, int id)
{
	int pos = PCI_CFG_SPACE_SIZE;
	__u32 header;

	while (pos) {
		if (pread(fd, &header, 4, config + pos) != 4)
			return 0;
		if ((int)PCI_EXT_CAP_ID(header) == id)
			return pos;
		pos = PCI_EXT_CAP_NEXT(header);
	}
	return 0;
}

/* PASIDs are enabled: the endpoint and its SMMU have them */
bool has_pasids(int ep)
{
	__u16 ctrl = 0;
	char path[96];
	int fd, pos;

	ats_sysfs(path, sizeof(path), ep, "config");
	fd = open(path, O_RDONLY);
	must(fd >= 0, path);
	pos = find_ext_cap(fd, 0, PCI_EXT_CAP_ID_PASID);
	if (pos && pread(fd, &ctrl, 2, pos + PCI_PASID_CTRL) != 2)
		ctrl = 0;
	close(fd);
	return ctrl & PCI_PASID_CTRL_ENABLE;
}
