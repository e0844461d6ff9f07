/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libqos: ats-testdev, a PCIe function with a faulty ATC
 */

#include "qemu/osdep.h"
#include "ats-testdev.h"

#define ECAM_BASE       0x3f000000      /* with highmem=off */
#define BAR_BASE        0x10000000

uint64_t atd_cfg_addr(uint32_t sid, uint32_t reg)
{
    return ECAM_BASE + (sid << 12) + reg;
}

uint16_t atd_cfg_readw(ATSBench *t, uint32_t sid, uint32_t reg)
{
    return qtest_readw(t->qts, atd_cfg_addr(sid, reg));
}

uint32_t atd_cfg_readl(ATSBench *t, uint32_t sid, uint32_t reg)
{
    return qtest_readl(t->qts, atd_cfg_addr(sid, reg));
}

void atd_cfg_writew(ATSBench *t, uint32_t sid, uint32_t reg, uint16_t val)
{
    qtest_writew(t->qts, atd_cfg_addr(sid, reg), val);
}

void atd_cfg_writel(ATSBench *t, uint32_t sid, uint32_t reg, uint32_t val)
{
    qtest_writel(t->qts, atd_cfg_addr(sid, reg), val);
}

uint32_t atd_cap(ATSBench *t, uint32_t sid, uint8_t id)
{
    uint8_t pos = qtest_readb(t->qts, atd_cfg_addr(sid, PCI_CAPABILITY_LIST));

    while (pos && qtest_readb(t->qts, atd_cfg_addr(sid, pos)) != id) {
        pos = qtest_readb(t->qts, atd_cfg_addr(sid, pos + 1));
    }
    return pos;
}

uint32_t atd_ext_cap(ATSBench *t, uint32_t sid, uint16_t id)
{
    uint32_t pos = PCI_CFG_SPACE_SIZE;

    while (pos) {
        uint32_t header = atd_cfg_readl(t, sid, pos);

        /* No function: the list would have no end */
        g_assert_cmphex(header, !=, UINT32_MAX);
        if (header && PCI_EXT_CAP_ID(header) == id) {
            return pos;
        }
        pos = header ? PCI_EXT_CAP_NEXT(header) : 0;
    }
    return 0;
}

void atd_enable(ATSBench *t, uint32_t sid)
{
    uint32_t ats = atd_ext_cap(t, sid, PCI_EXT_CAP_ID_ATS);
    uint32_t pasid = atd_ext_cap(t, sid, PCI_EXT_CAP_ID_PASID);

    atd_cfg_writel(t, sid, PCI_BASE_ADDRESS_0, atd_bar(sid));
    atd_cfg_writew(t, sid, PCI_COMMAND,
                   PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    if (pasid) {
        atd_cfg_writew(t, sid, pasid + PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE);
    }
    if (ats) {
        atd_cfg_writew(t, sid, ats + PCI_ATS_CTRL, PCI_ATS_CTRL_ENABLE);
    }
    g_assert_cmphex(atd_readl(t, sid, ATD_ID), ==, ATD_ID_MAGIC);
}

void atd_flr(ATSBench *t, uint32_t sid)
{
    uint32_t reg = atd_cap(t, sid, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;

    atd_cfg_writew(t, sid, reg,
                   atd_cfg_readw(t, sid, reg) | PCI_EXP_DEVCTL_BCR_FLR);
}

uint64_t atd_bar(uint32_t sid)
{
    return BAR_BASE + sid * ATD_BAR_SIZE;
}

void atd_writel(ATSBench *t, uint32_t sid, uint32_t reg, uint32_t val)
{
    qtest_writel(t->qts, atd_bar(sid) + reg, val);
}

void atd_writeq(ATSBench *t, uint32_t sid, uint32_t reg, uint64_t val)
{
    qtest_writeq(t->qts, atd_bar(sid) + reg, val);
}

uint32_t atd_readl(ATSBench *t, uint32_t sid, uint32_t reg)
{
    return qtest_readl(t->qts, atd_bar(sid) + reg);
}

uint64_t atd_readq(ATSBench *t, uint32_t sid, uint32_t reg)
{
    return qtest_readq(t->qts, atd_bar(sid) + reg);
}

uint32_t atd_cmd(ATSBench *t, uint32_t sid, uint32_t cmd)
{
    atd_writel(t, sid, ATD_CMD, cmd);
    return atd_readl(t, sid, ATD_RESULT);
}

uint32_t atd_fill(ATSBench *t, uint32_t sid, unsigned int page,
                  unsigned int pages)
{
    atd_writeq(t, sid, ATD_ADDR, PAGE(page));
    atd_writeq(t, sid, ATD_LEN, PAGE(pages));
    return atd_cmd(t, sid, ATD_CMD_ATC_FILL);
}

uint32_t atd_lookup(ATSBench *t, uint32_t sid, uint64_t addr)
{
    atd_writeq(t, sid, ATD_ADDR, addr);
    return atd_cmd(t, sid, ATD_CMD_ATC_LOOKUP);
}

uint32_t atd_dma_write(ATSBench *t, uint32_t sid, uint32_t attr, uint64_t addr,
                       uint64_t data)
{
    atd_writeq(t, sid, ATD_ADDR, addr);
    atd_writeq(t, sid, ATD_DATA, data);
    atd_writel(t, sid, ATD_ATTR, attr);
    return atd_cmd(t, sid, ATD_CMD_WRITE);
}

void atd_set_pasid(ATSBench *t, uint32_t sid, uint32_t pasid)
{
    atd_writel(t, sid, ATD_PASID, ATD_PASID_VALID | pasid);
}

void atd_no_pasid(ATSBench *t, uint32_t sid)
{
    atd_writel(t, sid, ATD_PASID, 0);
}

void atd_set_mode(ATSBench *t, uint32_t sid, uint32_t mode, uint32_t arg)
{
    atd_writel(t, sid, ATD_INV_MODE, mode);
    atd_writel(t, sid, ATD_INV_ARG, arg);
}

void atd_hammer(ATSBench *t, uint32_t sid, unsigned int page,
                unsigned int pages, uint32_t attr, uint32_t ctrl)
{
    atd_writeq(t, sid, ATD_HAMMER_ADDR, PAGE(page));
    atd_writeq(t, sid, ATD_HAMMER_LEN, PAGE(pages));
    atd_writel(t, sid, ATD_HAMMER_CTRL,
               ATD_HAMMER_ENABLE | attr << ATD_HAMMER_ATTR_SHIFT | ctrl);
}

uint64_t atd_mark(ATSBench *t, uint32_t sid)
{
    atd_writel(t, sid, ATD_MARK, ATD_MARK_START);
    return atd_readq(t, sid, ATD_TIME);
}
