// SPDX-License-Identifier: GPL-2.0
/*
 * Driver of ats-testdev, an emulated PCIe endpoint with a faulty ATC.
 *
 * Gives a test program the few things that only the kernel can do: map pages
 * for a device through the DMA API, or in a paging domain that several devices
 * share; take the mapping away again and, as soon as the function that flushes
 * has returned, tell the endpoints so and give the pages a new content.
 * Everything else, what is measured and what is expected, is in user space.
 *
 * Pages that were mapped stay allocated until the file is closed, with the
 * endpoints silenced first: a write that gets through is counted and does no
 * harm.
 *
 * What this is not: a model for a driver of a real device, or safe to hand to
 * a user who is not root.
 */

#include <linux/bitfield.h>
#include <linux/cleanup.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/panic_notifier.h>
#include <linux/pci.h>
#include <linux/pci-ats.h>
#include <linux/platform_device.h>
#include <linux/preempt.h>
#include <linux/rwsem.h>
#include <linux/uaccess.h>

#include "../ats-testdev-regs.h"
#include "ats_testdev_uapi.h"

struct atd_ep {
	struct pci_dev *pdev;
	void __iomem *regs;
};

struct atd_dom {
	/* One attach or detach at a time. Never held across an unmap */
	struct mutex lock;
	struct iommu_domain *domain;
	bool fixed;		/* not ours to free */
	unsigned long eps;
};

struct atd_buf {
	struct mutex lock;	/* mapping and content */
	struct page *page;
	unsigned int order;
	u64 iova;
	u32 ep;			/* mapped by the DMA API for, or NONE */
	u32 dom;		/* mapped in, or NONE */
};

/*
 * Read side: every ioctl, so that an unmap which hangs does not keep others
 * from working. Write side: an endpoint comes or goes, the file is closed.
 */
static DECLARE_RWSEM(atd_rwsem);
static struct atd_ep *atd_eps[ATS_TESTDEV_MAX_EPS];

/* Slots are taken under the lock and given back by the last close */
static DEFINE_MUTEX(atd_table_lock);
static struct atd_buf atd_bufs[ATS_TESTDEV_MAX_BUFS];
static struct atd_dom atd_doms[ATS_TESTDEV_MAX_DOMS];
static unsigned int atd_nr_bufs;
static unsigned int atd_nr_doms;

/* What PASIDs are used for. One attach, detach, bind or unbind at a time */
static DEFINE_MUTEX(atd_pasid_lock);
static struct atd_pasid {
	u32 ep;			/* or NONE: a free slot */
	u32 pasid;
	u32 dom;
} atd_pasids[ATS_TESTDEV_MAX_PASIDS];
static struct iommu_sva *atd_svas[ATS_TESTDEV_MAX_EPS];

static unsigned long atd_busy;

static struct atd_ep *atd_get_ep(u32 nr)
{
	return nr < ATS_TESTDEV_MAX_EPS ? atd_eps[nr] : NULL;
}

static struct atd_buf *atd_get_buf(u32 nr)
{
	guard(mutex)(&atd_table_lock);
	return nr < atd_nr_bufs ? &atd_bufs[nr] : NULL;
}

static struct atd_dom *atd_get_dom(u32 nr)
{
	guard(mutex)(&atd_table_lock);
	return nr < atd_nr_doms ? &atd_doms[nr] : NULL;
}

static size_t atd_size(const struct atd_buf *buf)
{
	return PAGE_SIZE << buf->order;
}

/* The virtual clock, which also stamps the traces of the machine */
static u64 atd_time(u32 mark)
{
	struct atd_ep *ep = mark ? atd_get_ep(__ffs(mark)) : NULL;

	return ep ? readq(ep->regs + ATD_TIME) : 0;
}

static void atd_silence(struct atd_ep *ep)
{
	writel(0, ep->regs + ATD_HAMMER_CTRL);
	writel(ATD_MARK_STOP, ep->regs + ATD_MARK);
	writel(ATD_CMD_ATC_DROP, ep->regs + ATD_CMD);
}

static void atd_fill(struct atd_buf *buf, u64 pattern)
{
	u64 *p = page_address(buf->page);
	size_t i;

	for (i = 0; i < atd_size(buf) / sizeof(*p); i++)
		WRITE_ONCE(p[i], pattern);
}

/* "The flush has returned": nothing may stand between that and this */
static void atd_mark(u32 mark)
{
	unsigned int i;

	for (i = 0; i < ATS_TESTDEV_MAX_EPS; i++) {
		if (mark & BIT(i) && atd_eps[i])
			writel(ATD_MARK_START, atd_eps[i]->regs + ATD_MARK);
	}
}

static size_t atd_buf_unmap(struct atd_buf *buf)
{
	size_t size = atd_size(buf);

	if (buf->dom != ATS_TESTDEV_NONE) {
		size = iommu_unmap(atd_doms[buf->dom].domain, buf->iova, size);
		buf->dom = ATS_TESTDEV_NONE;
	} else {
		dma_unmap_page(&atd_eps[buf->ep]->pdev->dev, buf->iova, size,
			       DMA_BIDIRECTIONAL);
		buf->ep = ATS_TESTDEV_NONE;
	}
	return size;
}

static void atd_dom_detach(struct atd_dom *dom, u32 ep)
{
	iommu_detach_device(dom->domain, &atd_eps[ep]->pdev->dev);
	dom->eps &= ~BIT(ep);
}

static void atd_pasid_detach(struct atd_pasid *p)
{
	iommu_detach_device_pasid(atd_doms[p->dom].domain,
				  &atd_eps[p->ep]->pdev->dev, p->pasid);
	p->ep = ATS_TESTDEV_NONE;
}

static void atd_sva_unbind(u32 ep)
{
	iommu_sva_unbind_device(atd_svas[ep]);
	atd_svas[ep] = NULL;
}

/* All PASIDs of an endpoint. The endpoint is silent */
static void atd_drop_pasids(u32 ep)
{
	unsigned int i;

	guard(mutex)(&atd_pasid_lock);
	for (i = 0; i < ARRAY_SIZE(atd_pasids); i++) {
		if (atd_pasids[i].ep == ep)
			atd_pasid_detach(&atd_pasids[i]);
	}
	if (atd_svas[ep])
		atd_sva_unbind(ep);
}

static long atd_ioctl_info(struct ats_testdev_info *arg)
{
	struct atd_ep *ep = atd_get_ep(arg->ep);
	struct iommu_fwspec *fwspec;
	u16 ctrl = 0;
	int pos;

	if (!ep)
		return -ENODEV;

	arg->flags = 0;
	if (pci_ats_supported(ep->pdev))
		arg->flags |= ATS_TESTDEV_HAS_ATS;

	/* Not pdev->ats_enabled, which is what the kernel believes */
	pos = pci_find_ext_capability(ep->pdev, PCI_EXT_CAP_ID_ATS);
	if (pos)
		pci_read_config_word(ep->pdev, pos + PCI_ATS_CTRL, &ctrl);
	if (ctrl & PCI_ATS_CTRL_ENABLE)
		arg->flags |= ATS_TESTDEV_ATS_ON;

	fwspec = dev_iommu_fwspec_get(&ep->pdev->dev);
	arg->sid = fwspec && fwspec->num_ids ? fwspec->ids[0] : ~0U;
	strscpy(arg->bdf, pci_name(ep->pdev));
	return 0;
}

static long atd_ioctl_reg(struct ats_testdev_reg *arg, bool write)
{
	struct atd_ep *ep = atd_get_ep(arg->ep);
	void __iomem *reg;

	if (!ep)
		return -ENODEV;
	if ((arg->size != 4 && arg->size != 8) || arg->off % arg->size ||
	    arg->off > ATD_BAR_SIZE - arg->size)
		return -EINVAL;

	reg = ep->regs + arg->off;
	if (write && arg->size == 8)
		writeq(arg->val, reg);
	else if (write)
		writel(arg->val, reg);
	else
		arg->val = arg->size == 8 ? readq(reg) : readl(reg);
	return 0;
}

static long atd_ioctl_alloc(struct ats_testdev_alloc *arg)
{
	struct atd_buf *buf;

	if (!arg->pages || arg->pages > BIT(MAX_PAGE_ORDER) ||
	    !is_power_of_2(arg->pages))
		return -EINVAL;

	guard(mutex)(&atd_table_lock);
	if (atd_nr_bufs == ATS_TESTDEV_MAX_BUFS)
		return -ENOSPC;

	buf = &atd_bufs[atd_nr_bufs];
	buf->order = ilog2(arg->pages);
	buf->page = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_COMP,
				buf->order);
	if (!buf->page)
		return -ENOMEM;

	mutex_init(&buf->lock);
	buf->ep = ATS_TESTDEV_NONE;
	buf->dom = ATS_TESTDEV_NONE;
	arg->buf = atd_nr_bufs++;
	return 0;
}

static u32 atd_add_dom(struct iommu_domain *domain, bool fixed)
{
	struct atd_dom *dom = &atd_doms[atd_nr_doms];

	mutex_init(&dom->lock);
	dom->domain = domain;
	dom->fixed = fixed;
	dom->eps = 0;
	return atd_nr_doms++;
}

static long atd_ioctl_domain(struct ats_testdev_domain *arg)
{
	struct atd_ep *ep = atd_get_ep(arg->ep);
	struct iommu_domain *domain;

	if (!ep)
		return -ENODEV;

	guard(mutex)(&atd_table_lock);
	if (atd_nr_doms == ATS_TESTDEV_MAX_DOMS)
		return -ENOSPC;

	domain = iommu_paging_domain_alloc(&ep->pdev->dev);
	if (IS_ERR(domain))
		return PTR_ERR(domain);

	arg->dom = atd_add_dom(domain, false);
	return 0;
}

static long atd_ioctl_static(struct ats_testdev_static *arg)
{
	struct atd_ep *ep = atd_get_ep(arg->ep);
	struct iommu_domain *domain;
	const struct iommu_ops *ops;

	if (!ep || !ep->pdev->dev.iommu)
		return -ENODEV;
	ops = ep->pdev->dev.iommu->iommu_dev->ops;
	domain = arg->kind == ATS_TESTDEV_BLOCKED ? ops->blocked_domain :
						    ops->identity_domain;
	if (!domain)
		return -EOPNOTSUPP;

	guard(mutex)(&atd_table_lock);
	if (atd_nr_doms == ATS_TESTDEV_MAX_DOMS)
		return -ENOSPC;
	arg->dom = atd_add_dom(domain, true);
	return 0;
}

static long atd_ioctl_attach(struct ats_testdev_domain *arg)
{
	struct atd_ep *ep = atd_get_ep(arg->ep);
	struct atd_dom *dom = atd_get_dom(arg->dom);
	int ret;

	if (!ep || !dom)
		return -ENODEV;

	guard(mutex)(&dom->lock);
	if (dom->eps & BIT(arg->ep))
		return -EBUSY;

	ret = iommu_attach_device(dom->domain, &ep->pdev->dev);
	if (!ret)
		dom->eps |= BIT(arg->ep);
	return ret;
}

static long atd_ioctl_detach(struct ats_testdev_flush *arg)
{
	struct atd_dom *dom = atd_get_dom(arg->dom);
	struct atd_buf *buf = atd_get_buf(arg->buf);
	ktime_t start;

	if (!dom || !buf)
		return -ENODEV;

	guard(mutex)(&dom->lock);
	guard(mutex)(&buf->lock);
	if (!atd_get_ep(arg->ep) || !(dom->eps & BIT(arg->ep)))
		return -EINVAL;

	arg->start = atd_time(arg->mark);
	start = ktime_get();
	atd_dom_detach(dom, arg->ep);
	atd_mark(arg->mark);
	arg->ns = ktime_to_ns(ktime_sub(ktime_get(), start));
	atd_fill(buf, arg->pattern);
	arg->end = arg->start + arg->ns;
	arg->ret = 0;
	return 0;
}

static struct atd_pasid *atd_find_pasid(u32 ep, u32 pasid)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(atd_pasids); i++) {
		if (atd_pasids[i].ep == ep && (ep == ATS_TESTDEV_NONE ||
					       atd_pasids[i].pasid == pasid))
			return &atd_pasids[i];
	}
	return NULL;
}

static long atd_ioctl_pasid_attach(struct ats_testdev_pasid *arg)
{
	struct atd_ep *ep = atd_get_ep(arg->ep);
	struct atd_dom *dom = atd_get_dom(arg->dom);
	struct atd_pasid *p;
	int ret;

	if (!ep || !dom)
		return -ENODEV;

	guard(mutex)(&atd_pasid_lock);
	p = atd_find_pasid(ATS_TESTDEV_NONE, 0);
	if (!p)
		return -ENOSPC;
	ret = iommu_attach_device_pasid(dom->domain, &ep->pdev->dev,
					arg->pasid, NULL);
	if (!ret)
		*p = (struct atd_pasid) { arg->ep, arg->pasid, arg->dom };
	return ret;
}

static long atd_ioctl_pasid_detach(struct ats_testdev_pasid *arg)
{
	struct atd_pasid *p;

	if (!atd_get_ep(arg->ep))
		return -ENODEV;

	guard(mutex)(&atd_pasid_lock);
	p = atd_find_pasid(arg->ep, arg->pasid);
	if (!p)
		return -EINVAL;
	atd_pasid_detach(p);
	return 0;
}

static long atd_ioctl_sva_bind(struct ats_testdev_pasid *arg)
{
	struct atd_ep *ep = atd_get_ep(arg->ep);
	struct iommu_sva *sva;

	if (!ep)
		return -ENODEV;

	guard(mutex)(&atd_pasid_lock);
	if (atd_svas[arg->ep])
		return -EBUSY;
	sva = iommu_sva_bind_device(&ep->pdev->dev, current->mm);
	if (IS_ERR(sva))
		return PTR_ERR(sva);
	atd_svas[arg->ep] = sva;
	arg->pasid = iommu_sva_get_pasid(sva);
	return 0;
}

static long atd_ioctl_sva_unbind(struct ats_testdev_pasid *arg)
{
	if (!atd_get_ep(arg->ep))
		return -ENODEV;

	guard(mutex)(&atd_pasid_lock);
	if (!atd_svas[arg->ep])
		return -EINVAL;
	atd_sva_unbind(arg->ep);
	return 0;
}

static long atd_ioctl_map(struct ats_testdev_map *arg)
{
	struct atd_buf *buf = atd_get_buf(arg->buf);
	struct atd_dom *dom;
	struct atd_ep *ep;
	dma_addr_t dma;
	int ret;

	if (!buf)
		return -ENODEV;

	guard(mutex)(&buf->lock);
	if (buf->ep != ATS_TESTDEV_NONE || buf->dom != ATS_TESTDEV_NONE)
		return -EBUSY;

	if (arg->dom == ATS_TESTDEV_NONE) {
		ep = atd_get_ep(arg->ep);
		if (!ep)
			return -ENODEV;
		dma = dma_map_page(&ep->pdev->dev, buf->page, 0, atd_size(buf),
				   DMA_BIDIRECTIONAL);
		if (dma_mapping_error(&ep->pdev->dev, dma))
			return -ENOMEM;
		arg->iova = dma;
		buf->ep = arg->ep;
	} else {
		dom = atd_get_dom(arg->dom);
		if (!dom)
			return -ENODEV;
		ret = iommu_map(dom->domain, arg->iova, page_to_phys(buf->page),
				atd_size(buf), IOMMU_READ | IOMMU_WRITE,
				GFP_KERNEL);
		if (ret)
			return ret;
		buf->dom = arg->dom;
	}
	buf->iova = arg->iova;
	return 0;
}

static long atd_ioctl_unmap(struct ats_testdev_flush *arg)
{
	struct atd_buf *buf = atd_get_buf(arg->buf);
	ktime_t start;

	if (!buf)
		return -ENODEV;

	guard(mutex)(&buf->lock);
	if (buf->ep == ATS_TESTDEV_NONE && buf->dom == ATS_TESTDEV_NONE)
		return -EINVAL;

	arg->start = atd_time(arg->mark);
	start = ktime_get();
	if (arg->flags & ATS_TESTDEV_IRQS_OFF)
		local_irq_disable();
	arg->ret = atd_buf_unmap(buf);
	atd_mark(arg->mark);
	if (arg->flags & ATS_TESTDEV_IRQS_OFF)
		local_irq_enable();
	arg->ns = ktime_to_ns(ktime_sub(ktime_get(), start));
	atd_fill(buf, arg->pattern);
	arg->end = arg->start + arg->ns;
	return 0;
}

static long atd_ioctl_fill(struct ats_testdev_fill *arg)
{
	struct atd_buf *buf = atd_get_buf(arg->buf);

	if (!buf)
		return -ENODEV;

	guard(mutex)(&buf->lock);
	atd_fill(buf, arg->pattern);
	return 0;
}

static long atd_ioctl_check(struct ats_testdev_check *arg)
{
	struct atd_buf *buf = atd_get_buf(arg->buf);
	size_t i, words;
	bool hit = false;
	u64 *p, w;

	if (!buf)
		return -ENODEV;

	guard(mutex)(&buf->lock);
	arg->words = 0;
	arg->pages = 0;
	p = page_address(buf->page);
	words = atd_size(buf) / sizeof(*p);
	for (i = 0; i < words; i++) {
		if (!(i % (PAGE_SIZE / sizeof(*p))))
			hit = false;
		w = READ_ONCE(p[i]);
		if (w == arg->pattern || (w & arg->mask) != arg->value)
			continue;
		arg->words++;
		arg->pages += !hit;
		hit = true;
	}
	return 0;
}

/*
 * What the SMMU architecture (IHI 0070) says of where an STE is, so that the
 * look at it does not depend on what the driver believes.
 */
#define SMMU_STRTAB_BASE		0x80
#define SMMU_STRTAB_BASE_ADDR		GENMASK_ULL(51, 6)
#define SMMU_STRTAB_BASE_CFG		0x88
#define SMMU_STRTAB_BASE_CFG_FMT	GENMASK(17, 16)
#define SMMU_STRTAB_BASE_CFG_SPLIT	GENMASK(10, 6)
#define SMMU_L1STD_L2PTR		GENMASK_ULL(51, 6)
#define SMMU_STE_WORDS			8
#define SMMU_STE_1_EATS			GENMASK_ULL(29, 28)

static const __le64 *atd_find_ste(struct atd_ep *ep, u32 sid)
{
	struct iommu_device *iommu = ep->pdev->dev.iommu->iommu_dev;
	struct platform_device *smmu = to_platform_device(iommu->dev->parent);
	struct resource *res;
	const __le64 *table;
	void __iomem *regs;
	u32 cfg, split;

	res = platform_get_resource(smmu, IORESOURCE_MEM, 0);
	if (!res)
		return NULL;
	regs = ioremap(res->start, PAGE_SIZE);
	if (!regs)
		return NULL;
	table = phys_to_virt(readq(regs + SMMU_STRTAB_BASE) &
			     SMMU_STRTAB_BASE_ADDR);
	cfg = readl(regs + SMMU_STRTAB_BASE_CFG);
	iounmap(regs);

	if (FIELD_GET(SMMU_STRTAB_BASE_CFG_FMT, cfg)) {
		split = FIELD_GET(SMMU_STRTAB_BASE_CFG_SPLIT, cfg);
		table = phys_to_virt(le64_to_cpu(table[sid >> split]) &
				     SMMU_L1STD_L2PTR);
		sid &= BIT(split) - 1;
	}
	return table + sid * SMMU_STE_WORDS;
}

static long atd_ioctl_watch(struct ats_testdev_watch *arg)
{
	struct atd_ep *ep = atd_get_ep(arg->ep);
	struct iommu_fwspec *fwspec;
	const __le64 *ste;
	unsigned int i;
	ktime_t end;

	if (!ep || arg->us > USEC_PER_SEC)
		return -EINVAL;
	fwspec = dev_iommu_fwspec_get(&ep->pdev->dev);
	if (!fwspec || !fwspec->num_ids)
		return -ENODEV;
	ste = atd_find_ste(ep, fwspec->ids[0]);
	if (!ste)
		return -ENODEV;

	arg->samples = 0;
	arg->eats = 0;
	end = ktime_add_us(ktime_get(), arg->us);
	do {
		/* The clock is looked at more rarely: it takes longer */
		for (i = 0; i < 64; i++) {
			if (le64_to_cpu(READ_ONCE(ste[1])) & SMMU_STE_1_EATS)
				arg->eats++;
			cpu_relax();
		}
		arg->samples += i;
		cond_resched();
	} while (ktime_before(ktime_get(), end));
	return 0;
}

static long atd_ioctl_stuck(const struct ats_testdev_stuck *arg)
{
	if (arg->ms > 60 * MSEC_PER_SEC)
		return -EINVAL;

	local_irq_disable();
	mdelay(arg->ms);
	local_irq_enable();

	preempt_disable();
	mdelay(arg->ms);
	preempt_enable();
	return 0;
}

/* Groups, because functions of one slot share one: the endpoint has no ACS */
static long atd_cost_attach(const struct ats_testdev_cost *arg,
			    struct iommu_domain *domain,
			    struct iommu_group **groups)
{
	struct pci_dev *pdev;
	unsigned int i;
	int ret;

	for (i = 0; i < arg->nr; i++) {
		pdev = pci_get_domain_bus_and_slot(0, 0, arg->devfn[i]);
		if (!pdev)
			return -ENODEV;
		groups[i] = iommu_group_get(&pdev->dev);
		pci_dev_put(pdev);
		if (!groups[i])
			return -ENODEV;
		ret = iommu_attach_group(domain, groups[i]);
		if (ret) {
			iommu_group_put(groups[i]);
			groups[i] = NULL;
			return ret;
		}
	}
	return 0;
}

/*
 * Nothing but the two calls, with interrupts off, so that with instruction
 * counting the time is exactly what they execute. Two readings in a row of the
 * clock tell what a reading costs.
 */
static long atd_cost_measure(struct ats_testdev_cost *arg, struct atd_ep *ep,
			     struct iommu_domain *domain, struct page *page)
{
	unsigned int i;
	u64 time[4];
	int ret;

	guard(irqsave)();
	writel(ATD_MARK_START, ep->regs + ATD_MARK);
	for (i = 0; i < arg->rounds; i++) {
		time[0] = readq(ep->regs + ATD_TIME);
		time[1] = readq(ep->regs + ATD_TIME);
		ret = iommu_map(domain, arg->iova, page_to_phys(page),
				PAGE_SIZE, IOMMU_READ | IOMMU_WRITE,
				GFP_ATOMIC);
		if (ret)
			return ret;
		time[2] = readq(ep->regs + ATD_TIME);
		if (iommu_unmap(domain, arg->iova, PAGE_SIZE) != PAGE_SIZE)
			return -EIO;
		time[3] = readq(ep->regs + ATD_TIME);
		arg->ns[i] = time[3] - time[1] - 2 * (time[1] - time[0]);
	}
	writel(ATD_MARK_START, ep->regs + ATD_MARK);
	return 0;
}

static long atd_ioctl_cost(struct ats_testdev_cost *arg)
{
	struct iommu_group *groups[ARRAY_SIZE(arg->devfn)] = {};
	struct atd_ep *ep = atd_get_ep(arg->ep);
	struct iommu_domain *domain;
	struct page *page;
	unsigned int i;
	long ret;

	if (!ep || arg->nr > ARRAY_SIZE(arg->devfn) ||
	    arg->rounds > ARRAY_SIZE(arg->ns))
		return -EINVAL;

	page = alloc_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	domain = iommu_paging_domain_alloc(&ep->pdev->dev);
	if (IS_ERR(domain)) {
		ret = PTR_ERR(domain);
		goto out_page;
	}

	ret = atd_cost_attach(arg, domain, groups);
	if (!ret)
		ret = atd_cost_measure(arg, ep, domain, page);
	for (i = 0; i < arg->nr && groups[i]; i++) {
		iommu_detach_group(domain, groups[i]);
		iommu_group_put(groups[i]);
	}
	iommu_domain_free(domain);
out_page:
	__free_page(page);
	return ret;
}

static long atd_ioctl(struct file *file, unsigned int cmd, unsigned long uarg)
{
	union {
		struct ats_testdev_info info;
		struct ats_testdev_reg reg;
		struct ats_testdev_alloc alloc;
		struct ats_testdev_domain domain;
		struct ats_testdev_map map;
		struct ats_testdev_flush flush;
		struct ats_testdev_fill fill;
		struct ats_testdev_check check;
		struct ats_testdev_pasid pasid;
		struct ats_testdev_cost cost;
		struct ats_testdev_static fixed;
		struct ats_testdev_stuck stuck;
		struct ats_testdev_watch watch;
	} arg = {};
	void __user *p = (void __user *)uarg;
	size_t size = _IOC_SIZE(cmd);
	long ret;

	if (size > sizeof(arg))
		return -ENOTTY;
	if (copy_from_user(&arg, p, size))
		return -EFAULT;

	guard(rwsem_read)(&atd_rwsem);
	switch (cmd) {
	case ATS_TESTDEV_INFO:
		ret = atd_ioctl_info(&arg.info);
		break;
	case ATS_TESTDEV_PEEK:
	case ATS_TESTDEV_POKE:
		ret = atd_ioctl_reg(&arg.reg, cmd == ATS_TESTDEV_POKE);
		break;
	case ATS_TESTDEV_ALLOC:
		ret = atd_ioctl_alloc(&arg.alloc);
		break;
	case ATS_TESTDEV_DOMAIN:
		ret = atd_ioctl_domain(&arg.domain);
		break;
	case ATS_TESTDEV_ATTACH:
		ret = atd_ioctl_attach(&arg.domain);
		break;
	case ATS_TESTDEV_DETACH:
		ret = atd_ioctl_detach(&arg.flush);
		break;
	case ATS_TESTDEV_MAP:
		ret = atd_ioctl_map(&arg.map);
		break;
	case ATS_TESTDEV_UNMAP:
		ret = atd_ioctl_unmap(&arg.flush);
		break;
	case ATS_TESTDEV_FILL:
		ret = atd_ioctl_fill(&arg.fill);
		break;
	case ATS_TESTDEV_CHECK:
		ret = atd_ioctl_check(&arg.check);
		break;
	case ATS_TESTDEV_PASID_ATTACH:
		ret = atd_ioctl_pasid_attach(&arg.pasid);
		break;
	case ATS_TESTDEV_PASID_DETACH:
		ret = atd_ioctl_pasid_detach(&arg.pasid);
		break;
	case ATS_TESTDEV_SVA_BIND:
		ret = atd_ioctl_sva_bind(&arg.pasid);
		break;
	case ATS_TESTDEV_SVA_UNBIND:
		ret = atd_ioctl_sva_unbind(&arg.pasid);
		break;
	case ATS_TESTDEV_COST:
		ret = atd_ioctl_cost(&arg.cost);
		break;
	case ATS_TESTDEV_STATIC:
		ret = atd_ioctl_static(&arg.fixed);
		break;
	case ATS_TESTDEV_WATCH:
		ret = atd_ioctl_watch(&arg.watch);
		break;
	case ATS_TESTDEV_STUCK:
		ret = atd_ioctl_stuck(&arg.stuck);
		break;
	default:
		ret = -ENOTTY;
	}

	if (!ret && (_IOC_DIR(cmd) & _IOC_READ) && copy_to_user(p, &arg, size))
		ret = -EFAULT;
	return ret;
}

static int atd_open(struct inode *inode, struct file *file)
{
	if (test_and_set_bit_lock(0, &atd_busy))
		return -EBUSY;
	return nonseekable_open(inode, file);
}

static int atd_release(struct inode *inode, struct file *file)
{
	unsigned int i, ep;

	down_write(&atd_rwsem);
	for (i = 0; i < ATS_TESTDEV_MAX_EPS; i++) {
		if (!atd_eps[i])
			continue;
		atd_silence(atd_eps[i]);
		atd_drop_pasids(i);
	}
	for (i = 0; i < atd_nr_bufs; i++) {
		if (atd_bufs[i].ep != ATS_TESTDEV_NONE ||
		    atd_bufs[i].dom != ATS_TESTDEV_NONE)
			atd_buf_unmap(&atd_bufs[i]);
	}
	for (i = 0; i < atd_nr_doms; i++) {
		for_each_set_bit(ep, &atd_doms[i].eps, ATS_TESTDEV_MAX_EPS)
			atd_dom_detach(&atd_doms[i], ep);
		if (!atd_doms[i].fixed)
			iommu_domain_free(atd_doms[i].domain);
		mutex_destroy(&atd_doms[i].lock);
	}
	for (i = 0; i < atd_nr_bufs; i++) {
		__free_pages(atd_bufs[i].page, atd_bufs[i].order);
		mutex_destroy(&atd_bufs[i].lock);
	}
	atd_nr_doms = 0;
	atd_nr_bufs = 0;
	up_write(&atd_rwsem);

	clear_bit_unlock(0, &atd_busy);
	return 0;
}

static const struct file_operations atd_fops = {
	.owner = THIS_MODULE,
	.open = atd_open,
	.release = atd_release,
	.unlocked_ioctl = atd_ioctl,
};

static struct miscdevice atd_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ats_testdev",
	.fops = &atd_fops,
};

static int atd_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct atd_ep *ep;
	unsigned int i;
	int ret;

	ep = devm_kzalloc(&pdev->dev, sizeof(*ep), GFP_KERNEL);
	if (!ep)
		return -ENOMEM;
	ep->pdev = pdev;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;

	ep->regs = pcim_iomap_region(pdev, 0, "ats_testdev");
	if (IS_ERR(ep->regs))
		return PTR_ERR(ep->regs);
	if (readl(ep->regs + ATD_ID) != ATD_ID_MAGIC)
		return -ENODEV;

	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	pci_set_master(pdev);
	pci_set_drvdata(pdev, ep);
	pci_save_state(pdev);

	guard(rwsem_write)(&atd_rwsem);
	for (i = 0; i < ATS_TESTDEV_MAX_EPS; i++) {
		if (!atd_eps[i]) {
			atd_eps[i] = ep;
			return 0;
		}
	}
	/* Only ATS_TESTDEV_COST knows more, and needs no driver for them */
	return -ENODEV;
}

static unsigned int atd_nr_of(const struct atd_ep *ep)
{
	unsigned int nr;

	for (nr = 0; atd_eps[nr] != ep; nr++)
		;
	return nr;
}

static void atd_remove(struct pci_dev *pdev)
{
	struct atd_ep *ep = pci_get_drvdata(pdev);
	unsigned int i, nr;

	guard(rwsem_write)(&atd_rwsem);
	nr = atd_nr_of(ep);
	atd_silence(ep);
	atd_drop_pasids(nr);
	for (i = 0; i < atd_nr_bufs; i++) {
		if (atd_bufs[i].ep == nr)
			atd_buf_unmap(&atd_bufs[i]);
	}
	for (i = 0; i < atd_nr_doms; i++) {
		if (atd_doms[i].eps & BIT(nr))
			atd_dom_detach(&atd_doms[i], nr);
	}
	atd_eps[nr] = NULL;
	pci_clear_master(pdev);
}

/*
 * A reset takes the hammer and the ATC away in the endpoint itself. Stop the
 * hammer before, as any driver quiesces its device. What to do after it is the
 * test's business: mappings and domains are still there.
 */
static void atd_reset_prepare(struct pci_dev *pdev)
{
	struct atd_ep *ep = pci_get_drvdata(pdev);

	writel(0, ep->regs + ATD_HAMMER_CTRL);
}

static void atd_reset_done(struct pci_dev *pdev)
{
	struct atd_ep *ep = pci_get_drvdata(pdev);

	if (readl(ep->regs + ATD_ID) != ATD_ID_MAGIC)
		pci_err(pdev, "does not answer after the reset\n");
}

/*
 * Error recovery: nothing of the endpoint's is worth saving, have it reset. As
 * many drivers do, give back here what is mapped for the endpoint.
 */
static pci_ers_result_t atd_error_detected(struct pci_dev *pdev,
					   pci_channel_state_t state)
{
	struct atd_ep *ep = pci_get_drvdata(pdev);
	unsigned int i;

	guard(rwsem_read)(&atd_rwsem);
	for (i = 0; i < atd_nr_bufs; i++) {
		guard(mutex)(&atd_bufs[i].lock);
		if (atd_bufs[i].ep == atd_nr_of(ep))
			atd_buf_unmap(&atd_bufs[i]);
	}
	return state == pci_channel_io_perm_failure ?
		       PCI_ERS_RESULT_DISCONNECT : PCI_ERS_RESULT_NEED_RESET;
}

static pci_ers_result_t atd_slot_reset(struct pci_dev *pdev)
{
	struct atd_ep *ep = pci_get_drvdata(pdev);

	pci_restore_state(pdev);
	if (readl(ep->regs + ATD_ID) != ATD_ID_MAGIC)
		return PCI_ERS_RESULT_DISCONNECT;
	return PCI_ERS_RESULT_RECOVERED;
}

static const struct pci_error_handlers atd_err_handler = {
	.error_detected = atd_error_detected,
	.slot_reset = atd_slot_reset,
	.reset_prepare = atd_reset_prepare,
	.reset_done = atd_reset_done,
};

static const struct pci_device_id atd_ids[] = {
	{ PCI_DEVICE(ATD_VENDOR_ID, ATD_DEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, atd_ids);

static struct pci_driver atd_driver = {
	.name = "ats_testdev",
	.id_table = atd_ids,
	.probe = atd_probe,
	.sriov_configure = pci_sriov_configure_simple,
	.remove = atd_remove,
	.err_handler = &atd_err_handler,
};

/*
 * What a console does that unmaps a buffer for each line it prints: flush, while
 * the kernel panics on this CPU. A CPU that was stopped is not online any more.
 */
static int atd_on_panic(struct notifier_block *nb, unsigned long event,
			void *msg)
{
	ktime_t start = ktime_get();
	unsigned int i;

	for (i = 0; i < atd_nr_bufs; i++) {
		struct atd_buf *buf = &atd_bufs[i];

		/* With its lock held, its unmap may be what has come to this */
		if (mutex_is_locked(&buf->lock) ||
		    (buf->ep == ATS_TESTDEV_NONE &&
		     buf->dom == ATS_TESTDEV_NONE))
			continue;

		atd_buf_unmap(buf);
		pr_emerg("ats_testdev: unmapped in panic, after %lld us, %u online\n",
			 ktime_us_delta(ktime_get(), start), num_online_cpus());
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block atd_panic = {
	.notifier_call = atd_on_panic,
};

static int __init atd_init(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(atd_pasids); i++)
		atd_pasids[i].ep = ATS_TESTDEV_NONE;

	ret = pci_register_driver(&atd_driver);
	if (ret)
		return ret;

	ret = misc_register(&atd_misc);
	if (ret) {
		pci_unregister_driver(&atd_driver);
		return ret;
	}
	return atomic_notifier_chain_register(&panic_notifier_list, &atd_panic);
}
module_init(atd_init);

/* The last close, and the removal of the endpoints, have given all back */
static bool atd_holds_something(void)
{
	unsigned int i, held = atd_nr_bufs + atd_nr_doms;

	for (i = 0; i < ARRAY_SIZE(atd_eps); i++)
		held += !!atd_eps[i] + !!atd_svas[i];
	for (i = 0; i < ARRAY_SIZE(atd_pasids); i++)
		held += atd_pasids[i].ep != ATS_TESTDEV_NONE;
	return held;
}

static void __exit atd_exit(void)
{
	atomic_notifier_chain_unregister(&panic_notifier_list, &atd_panic);
	misc_deregister(&atd_misc);
	pci_unregister_driver(&atd_driver);
	WARN(atd_holds_something(),
	     "unloaded with buffers, domains or PASIDs in use\n");
}
module_exit(atd_exit);

MODULE_DESCRIPTION("Driver of the ats-testdev endpoint");
MODULE_LICENSE("GPL");
