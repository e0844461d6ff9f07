/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest for ATS: a root port above a function contains it, loses its card, or
 * resets it
 */

#include "qemu/osdep.h"
#include "ats-testdev-cases.h"

#define SID_PORT        0x30            /* 00:06.0, the root port */
#define SID_E           0x100           /* 01:00.0, below it */
#define SID_F           0x101           /* 01:00.1 */

#define PORT            "-device pcie-root-port,id=rp,addr=6.0,chassis=1"
#define BELOW           " -device ats-testdev,bus=rp,id=e,addr=0.0," \
                        "multifunction=on " \
                        "-device ats-testdev,bus=rp,id=f,addr=0.1"

#define DPC_CTL_FATAL    0x0001
#define DPC_CTL_NONFATAL 0x0002
#define DPC_CTL_INT_EN   0x0008
#define DPC_CTL_TRIGGER  0x0040

#define DPC_STA_TRIGGER  0x0001
#define DPC_STA_SOFTWARE 0x0026         /* reason 11b, extension 01b */
#define DPC_STA_INT      0x0008

#define ALL_ONES         UINT32_MAX

/* The port's MSI-X table, and where its only vector writes */
#define PORT_BAR        0x10300000
#define DOORBELL        (MSI_DOORBELL + 0x40)
#define INTERRUPT       0x77

static uint32_t dpc(ATSBench *t)
{
    return atd_ext_cap(t, SID_PORT, PCI_EXT_CAP_ID_DPC);
}

static void dpc_write_ctl(ATSBench *t, uint16_t ctl)
{
    atd_cfg_writew(t, SID_PORT, dpc(t) + PCI_EXP_DPC_CTL, ctl);
}

static void dpc_clear(ATSBench *t, uint16_t bits)
{
    atd_cfg_writew(t, SID_PORT, dpc(t) + PCI_EXP_DPC_STATUS, bits);
}

#define expect_status(t, val)                                               \
    g_assert_cmphex(atd_cfg_readw(t, SID_PORT,                              \
                                  dpc(t) + PCI_EXP_DPC_STATUS), ==, val)

static bool link_active(ATSBench *t)
{
    uint32_t exp = atd_cap(t, SID_PORT, PCI_CAP_ID_EXP);

    return atd_cfg_readw(t, SID_PORT, exp + PCI_EXP_LNKSTA) &
           PCI_EXP_LNKSTA_DLLLA;
}

/* Bus 1 below the port, and a window that has the BARs there and the port's */
static void setup_port(ATSBench *t)
{
    atd_cfg_writel(t, SID_PORT, PCI_PRIMARY_BUS, 0x010100);
    atd_cfg_writel(t, SID_PORT, PCI_MEMORY_BASE, 0x10101010);
    atd_cfg_writel(t, SID_PORT, PCI_BASE_ADDRESS_0, PORT_BAR);
    atd_cfg_writew(t, SID_PORT, PCI_COMMAND,
                   PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void setup(ATSBench *t)
{
    setup_port(t);
    smmu_setup_stream(t, SID_E);
    smmu_setup_stream(t, SID_F);
    atd_enable(t, SID_E);
    atd_enable(t, SID_F);
}

/* Configuration and memory requests below the port, and the link */
static void expect_contained(ATSBench *t)
{
    g_assert_false(link_active(t));
    for (uint32_t sid = SID_E; sid <= SID_F; sid++) {
        g_assert_cmphex(atd_cfg_readl(t, sid, PCI_VENDOR_ID), ==, ALL_ONES);
        g_assert_cmphex(atd_readl(t, sid, ATD_ID), ==, ALL_ONES);
        /* Nor does a write arrive */
        atd_cfg_writew(t, sid, PCI_COMMAND,
                       PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
        g_assert_cmphex(atd_readl(t, sid, ATD_ID), ==, ALL_ONES);
    }
}

/* As after a hot reset */
static void expect_reset(ATSBench *t, uint32_t sid)
{
    uint32_t ats = atd_ext_cap(t, sid, PCI_EXT_CAP_ID_ATS);

    g_assert_true(link_active(t));
    expect_cfg(t, sid, PCI_COMMAND, 0);
    g_assert_cmphex(atd_cfg_readl(t, sid, PCI_BASE_ADDRESS_0) &
                    PCI_BASE_ADDRESS_MEM_MASK, ==, 0);
    expect_cfg(t, sid, ats + PCI_ATS_CTRL, 0);
    atd_enable(t, sid);
    expect_counter(t, sid, ATD_ATC_ENTRIES, 0);
    expect_counter(t, sid, ATD_INV_PENDING, 0);
    expect_reg(t, sid, ATD_HAMMER_CTRL, 0);
}

/* 7.9.14: what is there, and what a write may change */
static void test_registers(ATSBench *t)
{
    uint32_t cap = dpc(t);
    uint32_t exp = atd_cap(t, SID_PORT, PCI_CAP_ID_EXP);

    g_assert_cmphex(cap, !=, 0);
    expect_cfg(t, SID_PORT, cap + PCI_EXP_DPC_CAP, PCI_EXP_DPC_CAP_SW_TRIGGER);
    expect_cfg(t, SID_PORT, cap + PCI_EXP_DPC_CTL, 0);
    expect_status(t, 0);
    expect_cfg(t, SID_PORT, cap + PCI_EXP_DPC_SOURCE_ID, 0);
    g_assert_true(atd_cfg_readl(t, SID_PORT, exp + PCI_EXP_LNKCAP) &
                  PCI_EXP_LNKCAP_DLLLARC);
    g_assert_true(link_active(t));

    /* DPC is disabled, or Trigger Enable is reserved: there is no trigger */
    for (int enable = 0; enable <= 3; enable += 3) {
        dpc_write_ctl(t, 0xffbc | enable | DPC_CTL_TRIGGER);
        expect_cfg(t, SID_PORT, cap + PCI_EXP_DPC_CTL, 0xc | enable);
        expect_status(t, 0);
        g_assert_true(link_active(t));
    }
    atd_cfg_writew(t, SID_PORT, cap + PCI_EXP_DPC_CAP, 0xffff);
    expect_cfg(t, SID_PORT, cap + PCI_EXP_DPC_CAP, PCI_EXP_DPC_CAP_SW_TRIGGER);
    dpc_clear(t, 0xffff);
    expect_status(t, 0);
}

/* Not there unless asked for */
static void test_default(ATSBench *t)
{
    g_assert_cmphex(atd_ext_cap(t, SID_PORT, PCI_EXT_CAP_ID_ERR), !=, 0);
    g_assert_cmphex(atd_ext_cap(t, SID_PORT, PCI_EXT_CAP_ID_DPC), ==, 0);
}

/* The enabling write may trigger, for either kind of error, time after time */
static void test_trigger(ATSBench *t)
{
    uint32_t cap = dpc(t);

    for (uint16_t enable = DPC_CTL_FATAL; enable <= DPC_CTL_NONFATAL;
         enable++) {
        dpc_write_ctl(t, 0);
        dpc_write_ctl(t, enable | DPC_CTL_TRIGGER);
        expect_cfg(t, SID_PORT, cap + PCI_EXP_DPC_CTL, enable);
        expect_status(t, DPC_STA_TRIGGER | DPC_STA_SOFTWARE);
        expect_cfg(t, SID_PORT, cap + PCI_EXP_DPC_SOURCE_ID, 0);
        expect_contained(t);

        /* Only clearing Trigger Status ends it */
        dpc_write_ctl(t, enable | DPC_CTL_TRIGGER);
        dpc_write_ctl(t, 0);
        dpc_clear(t, ~DPC_STA_TRIGGER);
        expect_status(t, DPC_STA_TRIGGER | DPC_STA_SOFTWARE);
        expect_contained(t);

        dpc_clear(t, DPC_STA_TRIGGER);
        g_assert_false(atd_cfg_readw(t, SID_PORT, cap + PCI_EXP_DPC_STATUS) &
                       DPC_STA_TRIGGER);
        expect_reset(t, SID_E);
        expect_reset(t, SID_F);
        expect_fill(t, SID_E, 0, 2, ATD_OK);
        expect_write(t, SID_E, ATD_ATTR_ATC, 0, enable, ATD_OK);
        expect_page(t, 0, enable);
    }
}

/* DMA and the ATC: nothing gets upstream, and a reset function comes back */
static void test_dma(ATSBench *t)
{
    expect_fill(t, SID_E, 0, 4, ATD_OK);
    atd_hammer(t, SID_E, 0, 1, ATD_ATTR_ATC, 0);
    atd_hammer(t, SID_F, 1, 1, ATD_ATTR_UNTRANSLATED, 0);
    ats_bench_step(t, 50 * US);
    expect_counter(t, SID_E, ATD_ACCEPTED, 50);
    expect_counter(t, SID_F, ATD_ACCEPTED, 50);
    expect_page(t, 0, 49);
    expect_page(t, 1, 49);

    dpc_write_ctl(t, DPC_CTL_FATAL | DPC_CTL_TRIGGER);
    ats_bench_step(t, 50 * US);
    expect_contained(t);
    expect_page(t, 0, 49);
    expect_page(t, 1, 49);
    /* What is not below the port goes on */
    expect_fill(t, SID_A, 2, 1, ATD_OK);
    expect_write(t, SID_A, ATD_ATTR_ATC, PAGE(2), 0x11, ATD_OK);
    expect_page(t, 2, 0x11);

    dpc_clear(t, DPC_STA_TRIGGER);
    ats_bench_step(t, 50 * US);
    expect_page(t, 0, 49);
    expect_reset(t, SID_E);
    expect_reset(t, SID_F);
    expect_counter(t, SID_E, ATD_ACCEPTED, 50);
    expect_counter(t, SID_E, ATD_REFUSED, 0);
    expect_counter(t, SID_E, ATD_MISSED, 0);
    expect_events(t, 0);
    /* The ATC is empty */
    expect_write(t, SID_E, ATD_ATTR_ATC, 0, 1, ATD_E_MISS);
}

/* An Invalidate Request is posted: the port drops it, and the SMMU waits */
static void test_invalidate(ATSBench *t)
{
    expect_fill(t, SID_E, 0, 4, ATD_OK);

    /* On its way when the port is triggered */
    atd_set_mode(t, SID_E, ATD_INV_LATE, T_US / 2);
    smmu_invalidate(t, SID_E, 0, SIZE_ALL);
    expect_waiting(t, 1);
    dpc_write_ctl(t, DPC_CTL_FATAL | DPC_CTL_TRIGGER);
    expect_exact_timeout(t, 1);
    expect_recovery(t);

    /* Sent in containment; a neighbour answers */
    expect_answered(t, SID_A, 0, SIZE_ALL);
    smmu_invalidate(t, SID_F, 0, SIZE_ALL);
    expect_exact_timeout(t, t->prod - 1);
    expect_recovery(t);

    /* It is lost also if the containment ends before the timeout */
    smmu_invalidate(t, SID_E, 0, SIZE_ALL);
    dpc_clear(t, DPC_STA_TRIGGER);
    expect_reset(t, SID_E);
    expect_exact_timeout(t, t->prod - 1);
    expect_recovery(t);

    expect_reset(t, SID_F);
    expect_counter(t, SID_F, ATD_INV_RECEIVED, 0);
    atd_set_mode(t, SID_E, ATD_INV_ANSWER, 0);
    expect_answered(t, SID_E, 0, SIZE_ALL);
    expect_answered(t, SID_F, 0, SIZE_ALL);
    expect_counter(t, SID_F, ATD_INV_ANSWERED, 1);
}

/* A dead function is healed, as by any reset */
static void test_heals(ATSBench *t)
{
    atd_set_mode(t, SID_E, ATD_INV_NEVER_UNTIL_RESET, 0);
    smmu_invalidate(t, SID_E, 0, 0);
    expect_timeout(t, 1);
    expect_recovery(t);
    dpc_write_ctl(t, DPC_CTL_FATAL | DPC_CTL_TRIGGER);
    dpc_clear(t, DPC_STA_TRIGGER);
    expect_reset(t, SID_E);
    expect_reg(t, SID_E, ATD_INV_MODE, ATD_INV_ANSWER);
    expect_answered(t, SID_E, 0, 0);
}

/* The slot's power and a reset of the bus do not end the containment */
static void test_power(ATSBench *t)
{
    uint32_t exp = atd_cap(t, SID_PORT, PCI_CAP_ID_EXP);
    /* With the indicator off as well, the port would eject the functions */
    const uint16_t on = PCI_EXP_SLTCTL_PWR_IND_ON;

    dpc_write_ctl(t, DPC_CTL_FATAL | DPC_CTL_TRIGGER);
    atd_cfg_writew(t, SID_PORT, exp + PCI_EXP_SLTCTL, on);
    expect_contained(t);
    atd_cfg_writew(t, SID_PORT, PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_BUS_RESET);
    atd_cfg_writew(t, SID_PORT, PCI_BRIDGE_CONTROL, 0);
    expect_contained(t);

    /* Nor does its end switch the slot on */
    atd_cfg_writew(t, SID_PORT, exp + PCI_EXP_SLTCTL, on | PCI_EXP_SLTCTL_PCC);
    dpc_clear(t, DPC_STA_TRIGGER);
    g_assert_cmphex(atd_cfg_readl(t, SID_E, PCI_VENDOR_ID), ==, ALL_ONES);
    atd_cfg_writew(t, SID_PORT, exp + PCI_EXP_SLTCTL, on);
    expect_reset(t, SID_E);
}

/* The interrupts that arrived; each is told from the one before */
static bool interrupted(ATSBench *t)
{
    bool yes = qtest_readl(t->qts, DOORBELL) == INTERRUPT;

    qtest_writel(t->qts, DOORBELL, 0);
    return yes;
}

/* By MSI-X, when DPC Interrupt Enable and Status are first both 1 */
static void test_interrupt(ATSBench *t)
{
    uint32_t msix = atd_cap(t, SID_PORT, PCI_CAP_ID_MSIX);
    uint32_t exp = atd_cap(t, SID_PORT, PCI_CAP_ID_EXP);

    /* MSI-X writes of the port pass the SMMU like those of any function */
    smmu_setup_stream(t, SID_PORT);
    smmu_bypass_ste(t, SID_PORT);
    qtest_writeq(t->qts, PORT_BAR, DOORBELL);
    qtest_writel(t->qts, PORT_BAR + 8, INTERRUPT);
    qtest_writel(t->qts, PORT_BAR + 12, 0);
    atd_cfg_writew(t, SID_PORT, msix + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
    g_assert_cmphex(atd_cfg_readw(t, SID_PORT, exp + PCI_EXP_FLAGS) &
                    PCI_EXP_FLAGS_IRQ, ==, 0);

    /* Not asked for */
    dpc_write_ctl(t, DPC_CTL_FATAL | DPC_CTL_TRIGGER);
    expect_status(t, DPC_STA_TRIGGER | DPC_STA_SOFTWARE);
    g_assert_false(interrupted(t));
    dpc_clear(t, DPC_STA_TRIGGER);

    for (int round = 0; round < 2; round++) {
        dpc_write_ctl(t, DPC_CTL_FATAL | DPC_CTL_INT_EN);
        g_assert_false(interrupted(t));
        dpc_write_ctl(t, DPC_CTL_FATAL | DPC_CTL_INT_EN | DPC_CTL_TRIGGER);
        expect_status(t, DPC_STA_TRIGGER | DPC_STA_SOFTWARE | DPC_STA_INT);
        g_assert_true(interrupted(t));
        dpc_write_ctl(t, DPC_CTL_FATAL | DPC_CTL_INT_EN | DPC_CTL_TRIGGER);
        g_assert_false(interrupted(t));
        dpc_clear(t, DPC_STA_INT);
        expect_status(t, DPC_STA_TRIGGER | DPC_STA_SOFTWARE);
        dpc_clear(t, DPC_STA_TRIGGER);
        g_assert_false(interrupted(t));
    }
}

/* A machine reset ends the containment */
static void test_system_reset(ATSBench *t)
{
    dpc_write_ctl(t, DPC_CTL_FATAL | DPC_CTL_TRIGGER);
    qtest_system_reset(t->qts);
    ats_bench_setup(t);
    setup(t);
    expect_status(t, 0);
    expect_cfg(t, SID_PORT, dpc(t) + PCI_EXP_DPC_CTL, 0);
    g_assert_true(link_active(t));
    expect_fill(t, SID_E, 0, 1, ATD_OK);
}

/* An empty slot has no link, before and after */
static void test_empty_slot(ATSBench *t)
{
    g_assert_false(link_active(t));
    dpc_write_ctl(t, DPC_CTL_FATAL | DPC_CTL_TRIGGER);
    expect_status(t, DPC_STA_TRIGGER | DPC_STA_SOFTWARE);
    dpc_clear(t, DPC_STA_TRIGGER);
    g_assert_false(link_active(t));
}

/* A card that was pulled answers nothing, and the port reports no error */
static void test_pulled(ATSBench *t)
{
    uint32_t exp = atd_cap(t, SID_PORT, PCI_CAP_ID_EXP);
    const uint16_t off = PCI_EXP_SLTCTL_PIC | PCI_EXP_SLTCTL_PCC;

    expect_answered(t, SID_E, 0, SIZE_ALL);
    expect_answered(t, SID_F, 0, SIZE_ALL);
    atd_cfg_writew(t, SID_PORT, exp + PCI_EXP_SLTCTL, off);
    g_assert_false(link_active(t));
    for (uint32_t sid = SID_E; sid <= SID_F; sid++) {
        smmu_invalidate(t, sid, 0, SIZE_ALL);
        expect_exact_timeout(t, t->prod - 1);
        expect_recovery(t);
    }
    expect_answered(t, SID_A, 0, SIZE_ALL);
}

/* The answer needs an ID, which a reset of the bus takes away */
static void test_bus_number(ATSBench *t)
{
    expect_answered(t, SID_E, 0, SIZE_ALL);
    atd_cfg_writew(t, SID_PORT, PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_BUS_RESET);
    atd_cfg_writew(t, SID_PORT, PCI_BRIDGE_CONTROL, 0);

    g_assert_cmphex(atd_cfg_readw(t, SID_E, PCI_COMMAND), ==, 0);
    smmu_invalidate(t, SID_E, 0, SIZE_ALL);
    expect_exact_timeout(t, t->prod - 1);
    expect_recovery(t);

    /* Each function for itself; the value does not matter */
    atd_cfg_writew(t, SID_E, PCI_COMMAND, 0);
    expect_answered(t, SID_E, 0, SIZE_ALL);
    smmu_invalidate(t, SID_F, 0, SIZE_ALL);
    expect_exact_timeout(t, t->prod - 1);
    expect_recovery(t);
}

const ATSCase ats_dpc_cases[] = {
    { "/ats/dpc/registers", test_registers, PORT ",dpc=on" BELOW, setup },
    { "/ats/dpc/default", test_default, PORT BELOW, setup },
    { "/ats/dpc/trigger", test_trigger, PORT ",dpc=on" BELOW, setup },
    { "/ats/dpc/dma", test_dma, PORT ",dpc=on" BELOW, setup },
    { "/ats/dpc/invalidate", test_invalidate, PORT ",dpc=on" BELOW, setup },
    { "/ats/dpc/heals", test_heals, PORT ",dpc=on" BELOW, setup },
    { "/ats/dpc/power", test_power, PORT ",dpc=on" BELOW, setup },
    { "/ats/dpc/interrupt", test_interrupt, PORT ",dpc=on" BELOW, setup },
    { "/ats/dpc/system-reset", test_system_reset, PORT ",dpc=on" BELOW, setup },
    { "/ats/dpc/empty-slot", test_empty_slot, PORT ",dpc=on", setup_port },
    { "/ats/port/pulled", test_pulled, PORT BELOW, setup },
    { "/ats/port/bus-number", test_bus_number, PORT BELOW, setup },
    { }
};
