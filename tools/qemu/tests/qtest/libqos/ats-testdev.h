/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libqos: ats-testdev, a PCIe function with a faulty ATC
 *
 * Configuration space by ECAM and the registers by BAR 0, which each function
 * has at an address of its own.
 */

#ifndef QTEST_LIBQOS_ATS_TESTDEV_H
#define QTEST_LIBQOS_ATS_TESTDEV_H

#include "standard-headers/linux/pci_regs.h"
#include "hw/misc/ats-testdev-regs.h"
#include "smmuv3-ats.h"

/* Configuration space */
uint64_t atd_cfg_addr(uint32_t sid, uint32_t reg);
uint16_t atd_cfg_readw(ATSBench *t, uint32_t sid, uint32_t reg);
uint32_t atd_cfg_readl(ATSBench *t, uint32_t sid, uint32_t reg);
void atd_cfg_writew(ATSBench *t, uint32_t sid, uint32_t reg, uint16_t val);
void atd_cfg_writel(ATSBench *t, uint32_t sid, uint32_t reg, uint32_t val);
/* Offset of a capability, 0 if there is none */
uint32_t atd_cap(ATSBench *t, uint32_t sid, uint8_t id);
uint32_t atd_ext_cap(ATSBench *t, uint32_t sid, uint16_t id);

/* BAR, bus mastering, and PASID and ATS where the function has them */
void atd_enable(ATSBench *t, uint32_t sid);
void atd_flr(ATSBench *t, uint32_t sid);

/* Registers */
uint64_t atd_bar(uint32_t sid);
void atd_writel(ATSBench *t, uint32_t sid, uint32_t reg, uint32_t val);
void atd_writeq(ATSBench *t, uint32_t sid, uint32_t reg, uint64_t val);
uint32_t atd_readl(ATSBench *t, uint32_t sid, uint32_t reg);
uint64_t atd_readq(ATSBench *t, uint32_t sid, uint32_t reg);

/* Commands; they return ATD_RESULT */
uint32_t atd_cmd(ATSBench *t, uint32_t sid, uint32_t cmd);
uint32_t atd_fill(ATSBench *t, uint32_t sid, unsigned int page,
                  unsigned int pages);
uint32_t atd_lookup(ATSBench *t, uint32_t sid, uint64_t addr);
uint32_t atd_dma_write(ATSBench *t, uint32_t sid, uint32_t attr, uint64_t addr,
                       uint64_t data);

/* The PASID of commands */
void atd_set_pasid(ATSBench *t, uint32_t sid, uint32_t pasid);
void atd_no_pasid(ATSBench *t, uint32_t sid);

void atd_set_mode(ATSBench *t, uint32_t sid, uint32_t mode, uint32_t arg);

/* Start the hammer on @pages, with @attr and other bits of ATD_HAMMER_CTRL */
void atd_hammer(ATSBench *t, uint32_t sid, unsigned int page,
                unsigned int pages, uint32_t attr, uint32_t ctrl);
/* ATD_MARK_START; return the time */
uint64_t atd_mark(ATSBench *t, uint32_t sid);

/* A counter, or another register of 64 bits */
typedef struct {
    uint32_t reg;
    uint64_t val;
} ATDCounter;

#define expect_counters(t, sid, ...) do {                                   \
        const ATDCounter want_[] = { __VA_ARGS__ };                         \
        for (int i_ = 0; i_ < ARRAY_SIZE(want_); i_++) {                    \
            g_test_message("function 0x%x, register 0x%x", sid,             \
                           want_[i_].reg);                                  \
            g_assert_cmphex(atd_readq(t, sid, want_[i_].reg), ==,           \
                            want_[i_].val);                                 \
        }                                                                   \
    } while (0)

#define expect_counter(t, sid, reg, n)                                      \
    g_assert_cmpuint(atd_readq(t, sid, reg), ==, n)

#define expect_entries(t, sid, n) expect_counter(t, sid, ATD_ATC_ENTRIES, n)

#define expect_reg(t, sid, reg, val)                                        \
    g_assert_cmphex(atd_readl(t, sid, reg), ==, val)

#define expect_cfg(t, sid, reg, val)                                        \
    g_assert_cmphex(atd_cfg_readw(t, sid, reg), ==, val)

#define expect_cmd(t, sid, cmd, result)                                     \
    g_assert_cmpuint(atd_cmd(t, sid, cmd), ==, result)

#define expect_fill(t, sid, page, pages, result)                            \
    g_assert_cmpuint(atd_fill(t, sid, page, pages), ==, result)

/* The ATC translates @addr to @pa */
#define expect_translation(t, sid, addr, pa) do {                           \
        g_assert_cmpuint(atd_lookup(t, sid, addr), ==, ATD_OK);             \
        g_assert_cmphex(atd_readq(t, sid, ATD_DATA), ==, pa);               \
    } while (0)

#define expect_write(t, sid, attr, addr, data, result)                      \
    g_assert_cmpuint(atd_dma_write(t, sid, attr, addr, data), ==, result)

/* The write is aborted, with one event of @type for it */
#define expect_fault(t, sid, attr, addr, type) do {                         \
        uint32_t n_ = smmu_events(t);                                       \
        expect_write(t, sid, attr, addr, 0xbad, ATD_E_FAULT);               \
        expect_events(t, n_ + 1);                                           \
        expect_event(t, n_, type, sid);                                     \
    } while (0)

#endif
