/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PCIe endpoint with an Address Translation Cache that can be made faulty
 *
 * For tests of an IOMMU and of its driver: the cache is filled by Translation
 * Requests and emptied by Invalidate Requests, and what the endpoint does with
 * the latter is chosen by the test. Its hammer keeps writing through the cache
 * and counts which writes land. See docs/specs/ats-testdev.rst.
 *
 * Everything happens on the virtual clock. This is not the model of any real
 * device, and it has no bounds that would protect a guest from it.
 */

#include "qemu/osdep.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "qapi/util.h"
#include "qapi/visitor.h"
#include "hw/pci/msi.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_aer.h"
#include "hw/pci/pcie_sriov.h"
#include "hw/qdev-properties.h"
#include "hw/misc/ats-testdev-regs.h"
#include "migration/vmstate.h"
#include "qom/object.h"
#include "trace.h"
#include "ats-testdev-atc.h"

#define TYPE_ATS_TESTDEV "ats-testdev"
OBJECT_DECLARE_SIMPLE_TYPE(ATSTestDev, ATS_TESTDEV)

/* PCIe: Invalidate Queue Depth. The IOMMU has no more outstanding. */
#define INV_QUEUE_DEPTH 32

#define HAMMER_MIN_PERIOD 1000

/* What MemTxAttrs can carry */
#define PASID_WIDTH_MAX 16

/* PCIe 6.2, 10.5.1.2: bit 6 of the ATS Capability Register */
#define ATS_CAP_GLOBAL_INVALIDATE 0x0040

/* ATD_RESETS before the reset that follows realize, which is not counted */
#define RESETS_POWER_ON UINT64_MAX

/* An Invalidate Request that will be answered later */
typedef struct PendingInv {
    bool used;
    int64_t due;
    PCIATSInvalidateReq req;
} PendingInv;

typedef enum {
    DMA_LANDED,
    DMA_REFUSED,
    DMA_MISSED,         /* not sent: no usable ATC entry */
    DMA_SILENT,         /* not sent: the function must not send it */
} DMAOutcome;

typedef struct HammerCounters {
    uint64_t accepted;
    uint64_t refused;
    uint64_t missed;
    uint64_t silent;
} HammerCounters;

struct ATSTestDev {
    PCIDevice parent_obj;

    MemoryRegion bar;
    ATSTestATC atc;
    GRand *rand;
    uint16_t pasid_cap;         /* offset, 0: none */

    /* properties */
    bool ats;
    uint8_t pasid_width;        /* 0: no PASID capability */
    bool pasid_strict;          /* keep PASIDs' entries: see atc_invalidate() */
    bool global_invalidate;
    uint8_t vfs;                /* 0: no SR-IOV capability */
    uint32_t seed;
    uint32_t inv_mode;
    uint32_t inv_arg;

    /* operands and result of commands */
    uint32_t result;
    uint64_t addr;
    uint64_t len;
    uint64_t data;
    uint32_t attr;
    uint32_t pasid;             /* as ATD_PASID has it */

    /* invalidations */
    PendingInv pending[INV_QUEUE_DEPTH];
    QEMUTimer *inv_timer;
    uint32_t answers_left;      /* ATD_INV_STOP_AFTER */
    bool captured;              /* it knows its bus number */

    /* the hammer */
    QEMUTimer *hammer_timer;
    uint32_t hammer_ctrl;
    uint32_t hammer_pasid;
    uint32_t hammer_period;
    uint64_t hammer_addr;
    uint64_t hammer_len;
    uint64_t hammer_pattern;
    uint64_t hammer_count;      /* writes since it was enabled */

    /* counters; a reset of the function leaves them alone */
    HammerCounters total;
    HammerCounters after;
    bool marked;
    uint64_t mark_time;
    uint64_t first_accepted_after;
    uint64_t last_accepted_after;
    uint64_t last_accepted;
    uint64_t first_refused_after;
    uint64_t inv_received;
    uint64_t inv_answered;
    uint64_t inv_ignored;
    uint64_t resets;
    uint64_t atc_fills;
    uint64_t atc_denied;
};

/* Names of ATD_INV_*, for the inv-mode property and for traces */
static const char *const inv_mode_names[] = {
    [ATD_INV_ANSWER] = "answer",
    [ATD_INV_LATE] = "late",
    [ATD_INV_NEVER] = "never",
    [ATD_INV_NEVER_UNTIL_RESET] = "never-until-reset",
    [ATD_INV_LIE] = "lie",
    [ATD_INV_LOSSY] = "lossy",
    [ATD_INV_STOP_AFTER] = "stop-after",
};

static const QEnumLookup inv_mode_lookup = {
    .array = inv_mode_names,
    .size = ARRAY_SIZE(inv_mode_names),
};

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static const char *dev_name(ATSTestDev *d)
{
    return DEVICE(d)->id ?: "?";
}

static void set_inv_mode(ATSTestDev *d, uint32_t mode, uint32_t arg)
{
    d->inv_mode = mode;
    d->inv_arg = arg;
    d->answers_left = arg;
}

/* In D3hot a function issues no memory requests */
static bool powered_down(ATSTestDev *d)
{
    PCIDevice *pdev = PCI_DEVICE(d);

    return pci_get_word(pdev->config + pdev->pm_cap + PCI_PM_CTRL) &
           PCI_PM_CTRL_STATE_MASK;
}

/* Without Bus Master Enable, and in D3hot, a function sends no request */
static bool may_send(ATSTestDev *d)
{
    return pci_get_word(PCI_DEVICE(d)->config + PCI_COMMAND) &
           PCI_COMMAND_MASTER && !powered_down(d);
}

/* Whose PASID capability @d uses: a VF has none, and shares that of its PF */
static ATSTestDev *pasid_owner(ATSTestDev *d)
{
    PCIDevice *pdev = PCI_DEVICE(d);

    return pci_is_vf(pdev) ? ATS_TESTDEV(pcie_sriov_get_pf(pdev)) : d;
}

/*
 * The PASID that a register asks for, PCI_NO_PASID if it asks for none. Return
 * false if it may not be used.
 */
static bool decode_pasid(ATSTestDev *d, uint32_t reg, uint32_t *pasid)
{
    ATSTestDev *owner = pasid_owner(d);
    uint8_t *config = PCI_DEVICE(owner)->config;

    *pasid = PCI_NO_PASID;
    if (!(reg & ATD_PASID_VALID)) {
        return true;
    }
    if (!owner->pasid_cap ||
        !(pci_get_word(config + owner->pasid_cap + PCI_PASID_CTRL) &
          PCI_PASID_CTRL_ENABLE) ||
        (reg & ATD_PASID_MASK) >> owner->pasid_width) {
        return false;
    }
    *pasid = reg & ATD_PASID_MASK;
    return true;
}

/*
 * Translation Requests
 */

static uint32_t atc_fill_page(ATSTestDev *d, uint32_t pasid, uint64_t page)
{
    PCIDevice *pdev = PCI_DEVICE(d);
    uint64_t addr = page << ATC_PAGE_BITS;
    IOMMUTLBEntry tlbe;

    if (!pci_ats_enabled(pdev)) {
        return ATD_E_ATS_OFF;
    }
    if (!may_send(d)) {
        return ATD_E_SILENT;
    }
    if (!atc_has_room(&d->atc, pasid, addr)) {
        return ATD_E_FULL;
    }

    d->atc_fills++;
    if (!pci_ats_request_translation(pdev, pasid, addr, false, &tlbe) ||
        tlbe.perm == IOMMU_NONE) {
        /* It would be a fault of ours to keep what we were told is no more */
        atc_remove(&d->atc, pasid, addr);
        d->atc_denied++;
        return ATD_E_DENIED;
    }
    atc_insert(&d->atc, pasid, addr, &tlbe);
    return ATD_OK;
}

static uint32_t atc_fill(ATSTestDev *d, uint32_t pasid, uint64_t addr,
                         uint64_t len)
{
    uint64_t first = addr >> ATC_PAGE_BITS;
    uint64_t last = (addr + len - 1) >> ATC_PAGE_BITS;
    uint32_t result = ATD_OK;

    if (!pci_ats_enabled(PCI_DEVICE(d))) {
        return ATD_E_ATS_OFF;
    }
    if (!len || last < first) {
        return ATD_OK;
    }
    if (last - first >= ATC_MAX_ENTRIES) {
        return ATD_E_FULL;
    }
    for (uint64_t page = first; page <= last; page++) {
        uint32_t r = atc_fill_page(d, pasid, page);

        if (r == ATD_E_FULL || r == ATD_E_SILENT) {
            return r;
        }
        if (r != ATD_OK) {
            result = r;
        }
    }
    return result;
}

/*
 * DMA: what becomes of one request to @addr, which must not cross a page.
 * One lookup and then the access, so that a refused write is one event in the
 * IOMMU: dma_memory_write() would try the two halves of 8 bytes in turn.
 */
static DMAOutcome dma(ATSTestDev *d, uint32_t attr, uint32_t pasid,
                      uint64_t addr, uint64_t *data, bool is_write)
{
    PCIDevice *pdev = PCI_DEVICE(d);
    IOMMUAccessFlags want = is_write ? IOMMU_WO : IOMMU_RO;
    bool untranslated = attr == ATD_ATTR_UNTRANSLATED;
    MemTxAttrs attrs = {
        .requester_id = pci_requester_id(pdev),
        .address_type = !untranslated,
        .pasid_valid = untranslated && pasid != PCI_NO_PASID,
        .pasid = untranslated && pasid != PCI_NO_PASID ? pasid : 0,
    };
    IOMMUTLBEntry tlbe;
    uint64_t value;
    hwaddr pa;

    if (!may_send(d) || (attr == ATD_ATTR_ATC && !pci_ats_enabled(pdev))) {
        return DMA_SILENT;
    }
    if (attr == ATD_ATTR_ATC) {
        ATCEntry *entry = atc_lookup(&d->atc, pasid, addr);

        if (!entry || !(entry->perm & want)) {
            return DMA_MISSED;
        }
        addr = entry->translated | (addr & ATC_PAGE_MASK);
    }

    RCU_READ_LOCK_GUARD();
    tlbe = address_space_get_iotlb_entry(pci_get_address_space(pdev), addr,
                                         is_write, attrs);
    if (!tlbe.target_as || !(tlbe.perm & want)) {
        return DMA_REFUSED;
    }
    pa = (tlbe.translated_addr & ~tlbe.addr_mask) | (addr & tlbe.addr_mask);
    if (is_write) {
        value = cpu_to_le64(*data);
    }
    if (address_space_rw(tlbe.target_as, pa, attrs, &value, sizeof(value),
                         is_write) != MEMTX_OK) {
        return DMA_REFUSED;
    }
    if (!is_write) {
        *data = le64_to_cpu(value);
    }
    return DMA_LANDED;
}

static uint32_t do_dma(ATSTestDev *d, uint32_t pasid, bool is_write)
{
    if (d->attr > ATD_ATTR_RAW_TRANSLATED || d->addr & 7) {
        return ATD_E_DECODE;
    }
    if (d->attr == ATD_ATTR_ATC && !pci_ats_enabled(PCI_DEVICE(d))) {
        return ATD_E_ATS_OFF;
    }
    switch (dma(d, d->attr, pasid, d->addr, &d->data, is_write)) {
    case DMA_LANDED:
        return ATD_OK;
    case DMA_REFUSED:
        return ATD_E_FAULT;
    case DMA_SILENT:
        return ATD_E_SILENT;
    default:
        return ATD_E_MISS;
    }
}

/*
 * Invalidation
 */

/* In bytes; the whole address space is one byte short of its length */
static uint64_t inv_len(const PCIATSInvalidateReq *req)
{
    return req->mask == UINT64_MAX ? UINT64_MAX : req->mask + 1;
}

static void inv_rearm(ATSTestDev *d)
{
    int64_t due = INT64_MAX;

    for (int i = 0; i < INV_QUEUE_DEPTH; i++) {
        if (d->pending[i].used) {
            due = MIN(due, d->pending[i].due);
        }
    }
    if (due == INT64_MAX) {
        timer_del(d->inv_timer);
    } else {
        timer_mod(d->inv_timer, due);
    }
}

/* After return the request is answered, and the IOMMU may send the next */
static void inv_answer(ATSTestDev *d, uint64_t tag)
{
    /* The answer carries a wrong ID, and the IOMMU knows no such request */
    if (!d->captured) {
        d->inv_ignored++;
        return;
    }
    d->inv_answered++;
    pci_ats_invalidate_complete(PCI_DEVICE(d), tag);
}

static void inv_timer_cb(void *opaque)
{
    ATSTestDev *d = opaque;
    int64_t now = now_ns();

    for (;;) {
        PendingInv *next = NULL;
        PCIATSInvalidateReq req;

        /* Oldest first: due times are unique only by the order of arrival */
        for (int i = 0; i < INV_QUEUE_DEPTH; i++) {
            PendingInv *p = &d->pending[i];

            if (p->used && p->due <= now &&
                (!next || p->due < next->due ||
                 (p->due == next->due && p->req.tag < next->req.tag))) {
                next = p;
            }
        }
        if (!next) {
            break;
        }
        req = next->req;
        next->used = false;
        atc_invalidate(&d->atc, &req, d->pasid_strict);
        trace_ats_testdev_inv(now, dev_name(d), req.addr, inv_len(&req),
                              "answered-late");
        inv_answer(d, req.tag);
    }
    inv_rearm(d);
}

static bool inv_defer(ATSTestDev *d, const PCIATSInvalidateReq *req)
{
    for (int i = 0; i < INV_QUEUE_DEPTH; i++) {
        PendingInv *p = &d->pending[i];

        if (!p->used) {
            p->used = true;
            p->due = now_ns() + d->inv_arg * (int64_t)SCALE_US;
            p->req = *req;
            inv_rearm(d);
            return true;
        }
    }
    return false;
}

static void inv_receive(ATSTestDev *d, const PCIATSInvalidateReq *req)
{
    const char *action = "answered";
    bool answer = true;
    bool keep = false;

    d->inv_received++;

    switch (d->inv_mode) {
    case ATD_INV_LATE:
        answer = false;
        keep = true;
        action = "deferred";
        if (!inv_defer(d, req)) {
            /*
             * More than the queue holds: the IOMMU has given up on some that
             * are still in it. No room, no answer.
             */
            d->inv_ignored++;
            action = "ignored";
        }
        break;
    case ATD_INV_NEVER:
    case ATD_INV_NEVER_UNTIL_RESET:
        answer = false;
        break;
    case ATD_INV_LIE:
        keep = true;
        action = "lied";
        break;
    case ATD_INV_LOSSY:
        answer = g_rand_int_range(d->rand, 0, 1000) >= d->inv_arg;
        break;
    case ATD_INV_STOP_AFTER:
        if (d->answers_left) {
            d->answers_left--;
        } else {
            answer = false;
            set_inv_mode(d, ATD_INV_NEVER_UNTIL_RESET, 0);
        }
        break;
    default:
        break;
    }

    if (!answer && !keep) {
        d->inv_ignored++;
        keep = true;
        action = "ignored";
    }
    if (answer && !d->captured) {
        action = "answered in vain";
    }
    if (!keep) {
        atc_invalidate(&d->atc, req, d->pasid_strict);
    }
    trace_ats_testdev_inv(now_ns(), dev_name(d), req->addr, inv_len(req),
                          action);
    if (answer) {
        inv_answer(d, req->tag);
    }
}

static void ats_testdev_invalidate(PCIDevice *pdev,
                                   const PCIATSInvalidateReq *req)
{
    uint8_t *cap = pdev->config + pdev->exp.ats_cap + PCI_ATS_CAP;
    PCIATSInvalidateReq seen = *req;

    /* A function that does not support Global Invalidate ignores the flag */
    seen.global &= !!(pci_get_word(cap) & ATS_CAP_GLOBAL_INVALIDATE);
    inv_receive(ATS_TESTDEV(pdev), &seen);
}

static uint64_t inv_pending(ATSTestDev *d)
{
    uint64_t n = 0;

    for (int i = 0; i < INV_QUEUE_DEPTH; i++) {
        n += d->pending[i].used;
    }
    return n;
}

/*
 * The hammer
 */

static void hammer_count_write(ATSTestDev *d, DMAOutcome outcome)
{
    static const char *const words[] = {
        [DMA_LANDED] = "accepted",
        [DMA_REFUSED] = "refused",
        [DMA_MISSED] = "missed",
    };
    int64_t now = now_ns();
    bool first = false;

    trace_ats_testdev_write(now, dev_name(d), words[outcome]);

    switch (outcome) {
    case DMA_LANDED:
        d->last_accepted = now;
        first = !d->total.accepted++;
        if (d->marked) {
            first |= !d->after.accepted++;
            d->last_accepted_after = now;
            if (!d->first_accepted_after) {
                d->first_accepted_after = now;
            }
        }
        break;
    case DMA_REFUSED:
        first = !d->total.refused++;
        if (d->marked) {
            first |= !d->after.refused++;
            if (!d->first_refused_after) {
                d->first_refused_after = now;
            }
        }
        break;
    case DMA_MISSED:
        d->total.missed++;
        d->after.missed += d->marked;
        break;
    case DMA_SILENT:
        d->total.silent++;
        d->after.silent += d->marked;
        break;
    }
    if (first) {
        trace_ats_testdev_hammer(now, dev_name(d), d->total.accepted,
                                 d->total.refused);
    }
}

/* One write of the hammer */
static DMAOutcome hammer_write(ATSTestDev *d, uint64_t addr, uint64_t value)
{
    uint32_t attr = (d->hammer_ctrl & ATD_HAMMER_ATTR_MASK) >>
                    ATD_HAMMER_ATTR_SHIFT;
    DMAOutcome outcome;
    uint32_t pasid;

    if (!decode_pasid(d, d->hammer_pasid, &pasid)) {
        return DMA_SILENT;
    }
    outcome = dma(d, attr, pasid, addr, &value, true);
    if (outcome == DMA_MISSED && attr == ATD_ATTR_ATC &&
        d->hammer_ctrl & ATD_HAMMER_REFILL &&
        atc_fill_page(d, pasid, addr >> ATC_PAGE_BITS) == ATD_OK) {
        outcome = dma(d, attr, pasid, addr, &value, true);
    }
    return outcome;
}

static void hammer_cb(void *opaque)
{
    ATSTestDev *d = opaque;
    uint64_t pages = d->hammer_len >> ATC_PAGE_BITS;
    uint64_t value = d->hammer_pattern + d->hammer_count;
    uint64_t addr = d->hammer_addr;

    if (pages) {
        addr += (d->hammer_count % pages) << ATC_PAGE_BITS;
        d->hammer_count++;
        hammer_count_write(d, hammer_write(d, addr, value));
    }

    /*
     * From now, not from when it was due: a host that is too slow drops
     * writes rather than the guest's time between them.
     */
    timer_mod(d->hammer_timer, now_ns() + d->hammer_period);
}

static void hammer_set_ctrl(ATSTestDev *d, uint32_t val)
{
    bool was = d->hammer_ctrl & ATD_HAMMER_ENABLE;

    d->hammer_ctrl = val & (ATD_HAMMER_ENABLE | ATD_HAMMER_ATTR_MASK |
                            ATD_HAMMER_REFILL);
    if (!(val & ATD_HAMMER_ENABLE)) {
        timer_del(d->hammer_timer);
    } else if (!was) {
        d->hammer_count = 0;
        timer_mod(d->hammer_timer, now_ns() + d->hammer_period);
    }
}

static void clear_after(ATSTestDev *d)
{
    d->after = (HammerCounters) { 0 };
    d->first_accepted_after = 0;
    d->last_accepted_after = 0;
    d->first_refused_after = 0;
}

static void mark(ATSTestDev *d, uint32_t val)
{
    if (val == ATD_MARK_STOP) {
        d->marked = false;
        return;
    }
    d->marked = true;
    d->mark_time = now_ns();
    clear_after(d);
    trace_ats_testdev_mark(d->mark_time, dev_name(d));
}

static void clear_counters(ATSTestDev *d)
{
    clear_after(d);
    d->total = (HammerCounters) { 0 };
    d->marked = false;
    d->mark_time = 0;
    d->last_accepted = 0;
    d->inv_received = 0;
    d->inv_answered = 0;
    d->inv_ignored = 0;
    d->resets = 0;
    d->atc_fills = 0;
    d->atc_denied = 0;
}

/*
 * Reset: of the function, whatever asked for it. Configuration space that the
 * PCI core resets is its own affair; ATSCtl and PASIDCtl are not among it.
 */
static void function_reset(ATSTestDev *d)
{
    PCIDevice *pdev = PCI_DEVICE(d);

    atc_clear(&d->atc);
    memset(d->pending, 0, sizeof(d->pending));
    timer_del(d->inv_timer);
    timer_del(d->hammer_timer);

    if (pdev->exp.ats_cap) {
        pci_set_word(pdev->config + pdev->exp.ats_cap + PCI_ATS_CTRL, 0);
    }
    if (d->pasid_cap) {
        pci_set_word(pdev->config + d->pasid_cap + PCI_PASID_CTRL, 0);
    }
    /* The power-on reset must not undo -device ...,inv-mode= */
    if (d->inv_mode == ATD_INV_NEVER_UNTIL_RESET &&
        d->resets != RESETS_POWER_ON) {
        set_inv_mode(d, ATD_INV_ANSWER, 0);
    }

    d->result = ATD_OK;
    d->addr = 0;
    d->len = 0;
    d->data = 0;
    d->attr = 0;
    d->pasid = 0;
    d->hammer_ctrl = 0;
    d->hammer_pasid = 0;
    d->hammer_period = HAMMER_MIN_PERIOD;
    d->hammer_addr = 0;
    d->hammer_len = 0;
    d->hammer_pattern = 0;
    d->hammer_count = 0;

    d->resets++;
    trace_ats_testdev_reset(now_ns(), dev_name(d));
}

static void ats_testdev_reset_hold(Object *obj, ResetType type)
{
    ATSTestDev *d = ATS_TESTDEV(obj);

    function_reset(d);
    d->captured = false;
}

/*
 * Registers
 */

static void command(ATSTestDev *d, uint32_t cmd)
{
    ATCEntry *entry;
    uint32_t pasid;

    if (!decode_pasid(d, d->pasid, &pasid) &&
        (cmd == ATD_CMD_ATC_FILL || cmd == ATD_CMD_ATC_LOOKUP ||
         cmd == ATD_CMD_WRITE || cmd == ATD_CMD_READ)) {
        d->result = ATD_E_PASID;
        return;
    }
    switch (cmd) {
    case ATD_CMD_ATC_FILL:
        d->result = atc_fill(d, pasid, d->addr, d->len);
        break;
    case ATD_CMD_ATC_DROP:
        atc_clear(&d->atc);
        d->result = ATD_OK;
        break;
    case ATD_CMD_WRITE:
        d->result = do_dma(d, pasid, true);
        break;
    case ATD_CMD_READ:
        d->result = do_dma(d, pasid, false);
        break;
    case ATD_CMD_ATC_LOOKUP:
        entry = atc_lookup(&d->atc, pasid, d->addr);
        if (entry) {
            d->data = entry->translated | (d->addr & ATC_PAGE_MASK);
        }
        d->result = entry ? ATD_OK : ATD_E_MISS;
        break;
    case ATD_CMD_FAST_RESET:
        function_reset(d);
        break;
    case ATD_CMD_CLEAR_COUNTERS:
        clear_counters(d);
        d->result = ATD_OK;
        break;
    default:
        d->result = ATD_E_DECODE;
        break;
    }
}

/* The read-write 64-bit register at @offset, if there is one */
static uint64_t *reg64(ATSTestDev *d, hwaddr offset)
{
    switch (offset) {
    case ATD_ADDR:
        return &d->addr;
    case ATD_LEN:
        return &d->len;
    case ATD_DATA:
        return &d->data;
    case ATD_HAMMER_ADDR:
        return &d->hammer_addr;
    case ATD_HAMMER_LEN:
        return &d->hammer_len;
    case ATD_HAMMER_PATTERN:
        return &d->hammer_pattern;
    default:
        return NULL;
    }
}

static uint64_t read_counter(ATSTestDev *d, hwaddr offset)
{
    switch (offset) {
    case ATD_TIME:
        return now_ns();
    case ATD_ACCEPTED:
        return d->total.accepted;
    case ATD_REFUSED:
        return d->total.refused;
    case ATD_MISSED:
        return d->total.missed;
    case ATD_ACCEPTED_AFTER:
        return d->after.accepted;
    case ATD_REFUSED_AFTER:
        return d->after.refused;
    case ATD_MISSED_AFTER:
        return d->after.missed;
    case ATD_MARK_TIME:
        return d->mark_time;
    case ATD_FIRST_ACCEPTED_AFTER:
        return d->first_accepted_after;
    case ATD_LAST_ACCEPTED_AFTER:
        return d->last_accepted_after;
    case ATD_LAST_ACCEPTED:
        return d->last_accepted;
    case ATD_FIRST_REFUSED_AFTER:
        return d->first_refused_after;
    case ATD_INV_RECEIVED:
        return d->inv_received;
    case ATD_INV_ANSWERED:
        return d->inv_answered;
    case ATD_INV_IGNORED:
        return d->inv_ignored;
    case ATD_INV_PENDING:
        return inv_pending(d);
    case ATD_ATC_ENTRIES:
        return atc_size(&d->atc);
    case ATD_RESETS:
        return d->resets;
    case ATD_ATC_FILLS:
        return d->atc_fills;
    case ATD_ATC_DENIED:
        return d->atc_denied;
    case ATD_SILENT:
        return d->total.silent;
    case ATD_SILENT_AFTER:
        return d->after.silent;
    default:
        return 0;
    }
}

static uint32_t read_reg32(ATSTestDev *d, hwaddr offset)
{
    switch (offset) {
    case ATD_ID:
        return ATD_ID_MAGIC;
    case ATD_VERSION:
        return 1;
    case ATD_RESULT:
        return d->result;
    case ATD_ATTR:
        return d->attr;
    case ATD_PASID:
        return d->pasid;
    case ATD_INV_MODE:
        return d->inv_mode;
    case ATD_INV_ARG:
        return d->inv_arg;
    case ATD_HAMMER_CTRL:
        return d->hammer_ctrl;
    case ATD_HAMMER_PERIOD:
        return d->hammer_period;
    case ATD_HAMMER_PASID:
        return d->hammer_pasid;
    default:
        return 0;
    }
}

static void write_reg32(ATSTestDev *d, hwaddr offset, uint32_t val)
{
    switch (offset) {
    case ATD_CMD:
        command(d, val);
        break;
    case ATD_ATTR:
        d->attr = val;
        break;
    case ATD_PASID:
        d->pasid = val & (ATD_PASID_VALID | ATD_PASID_MASK);
        break;
    case ATD_INV_MODE:
        if (val < ARRAY_SIZE(inv_mode_names)) {
            set_inv_mode(d, val, d->inv_arg);
        }
        break;
    case ATD_INV_ARG:
        set_inv_mode(d, d->inv_mode, val);
        break;
    case ATD_HAMMER_CTRL:
        hammer_set_ctrl(d, val);
        break;
    case ATD_HAMMER_PERIOD:
        d->hammer_period = MAX(val, HAMMER_MIN_PERIOD);
        break;
    case ATD_HAMMER_PASID:
        d->hammer_pasid = val & (ATD_PASID_VALID | ATD_PASID_MASK);
        break;
    case ATD_MARK:
        mark(d, val);
        break;
    default:
        break;
    }
}

static uint64_t ats_testdev_read(void *opaque, hwaddr offset, unsigned size)
{
    ATSTestDev *d = opaque;
    hwaddr base = offset & ~7ULL;
    uint64_t *reg = reg64(d, base);
    uint64_t val;

    if (reg) {
        val = *reg;
    } else if (base >= ATD_TIME) {
        val = read_counter(d, base);
    } else {
        val = read_reg32(d, base) | (uint64_t)read_reg32(d, base + 4) << 32;
    }
    return size == 8 ? val : extract64(val, (offset & 4) * 8, 32);
}

static void ats_testdev_write(void *opaque, hwaddr offset, uint64_t val,
                              unsigned size)
{
    ATSTestDev *d = opaque;
    uint64_t *reg = reg64(d, offset & ~7ULL);

    if (reg) {
        *reg = size == 8 ? val : deposit64(*reg, (offset & 4) * 8, 32, val);
        return;
    }
    write_reg32(d, offset, val);
    if (size == 8) {
        write_reg32(d, offset + 4, val >> 32);
    }
}

static const MemoryRegionOps ats_testdev_ops = {
    .read = ats_testdev_read,
    .write = ats_testdev_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

static void ats_testdev_config_write(PCIDevice *pdev, uint32_t addr,
                                     uint32_t val, int len)
{
    ATSTestDev *d = ATS_TESTDEV(pdev);
    bool was = pci_ats_enabled(pdev);
    bool was_down = powered_down(d);

    pci_default_write_config(pdev, addr, val, len);
    pcie_aer_write_config(pdev, addr, val, len);
    pcie_cap_flr_write_config(pdev, addr, val, len);

    /* PCIe: enabling ATS invalidates the ATC, disabling it does not */
    if (!was && pci_ats_enabled(pdev)) {
        atc_clear(&d->atc);
    }
    /* No_Soft_Reset = 0: D3hot to D0 resets what FLR does */
    if (was_down && !powered_down(d)) {
        pci_device_reset(pdev);
    }
    /* 2.2.6.2. Neither an FLR nor D3hot takes it back */
    d->captured = true;
}

/*
 * Life
 */

/* Offset of the next extended capability */
static uint16_t init_pasid(ATSTestDev *d, uint16_t offset)
{
    PCIDevice *pdev = PCI_DEVICE(d);

    pcie_add_capability(pdev, PCI_EXT_CAP_ID_PASID, 1, offset,
                        PCI_EXT_CAP_PASID_SIZEOF);
    pci_set_word(pdev->config + offset + PCI_PASID_CAP, d->pasid_width << 8);
    pci_set_word(pdev->wmask + offset + PCI_PASID_CTRL, PCI_PASID_CTRL_ENABLE);
    /* A PASID is an End-End TLP Prefix; Linux looks whether there is room */
    pci_long_test_and_set_mask(pdev->config + pdev->exp.exp_cap +
                               PCI_EXP_DEVCAP2, PCI_EXP_DEVCAP2_EE_PREFIX);
    d->pasid_cap = offset;
    return offset + PCI_EXT_CAP_PASID_SIZEOF;
}

static void init_ats(ATSTestDev *d, uint16_t offset)
{
    PCIDevice *pdev = PCI_DEVICE(d);

    pcie_ats_init(pdev, offset, true);
    /* 10.5.1.2: 0 in a function that does not support PASIDs */
    if (d->global_invalidate && pasid_owner(d)->pasid_width) {
        pci_word_test_and_set_mask(pdev->config + offset + PCI_ATS_CAP,
                                   ATS_CAP_GLOBAL_INVALIDATE);
    }
}

/*
 * VFs in the functions behind the PF. They are of this very type, with the same
 * device ID, and have registers, an ATC and an ATS capability of their own.
 */
static bool init_vfs(ATSTestDev *d, uint16_t offset, Error **errp)
{
    PCIDevice *pdev = PCI_DEVICE(d);

    if (PCI_FUNC(pdev->devfn) + d->vfs >= PCI_FUNC_MAX) {
        error_setg(errp, "no room in the slot for %u VFs", d->vfs);
        return false;
    }
    if (!pcie_sriov_pf_init(pdev, offset, TYPE_ATS_TESTDEV, ATD_DEVICE_ID,
                            d->vfs, d->vfs, 1, 1, errp)) {
        return false;
    }
    pcie_sriov_pf_init_vf_bar(pdev, 0, PCI_BASE_ADDRESS_SPACE_MEMORY,
                              ATD_BAR_SIZE);
    return true;
}

static void ats_testdev_cleanup(ATSTestDev *d)
{
    PCIDevice *pdev = PCI_DEVICE(d);

    timer_free(d->hammer_timer);
    timer_free(d->inv_timer);
    g_rand_free(d->rand);
    atc_destroy(&d->atc);
    pcie_aer_exit(pdev);
    msi_uninit(pdev);
    pcie_cap_exit(pdev);
}

static void ats_testdev_realize(PCIDevice *pdev, Error **errp)
{
    ATSTestDev *d = ATS_TESTDEV(pdev);
    uint16_t offset = PCI_CONFIG_SPACE_SIZE;
    int ret;

    if (pci_is_vf(pdev)) {
        /* Whatever -global says to functions of this type */
        ATSTestDev *pf = ATS_TESTDEV(pcie_sriov_get_pf(pdev));

        d->ats = pf->ats;
        d->pasid_strict = pf->pasid_strict;
        d->global_invalidate = pf->global_invalidate;
        d->pasid_width = 0;
        d->vfs = 0;
    }
    if (!pci_bus_is_express(pci_get_bus(pdev))) {
        error_setg(errp, "ats-testdev needs a PCI Express bus");
        return;
    }
    if (d->pasid_width > PASID_WIDTH_MAX) {
        error_setg(errp, "pasid-width %u exceeds %u", d->pasid_width,
                   PASID_WIDTH_MAX);
        return;
    }

    memory_region_init_io(&d->bar, OBJECT(d), &ats_testdev_ops, d,
                          "ats-testdev", ATD_BAR_SIZE);
    pci_register_bar(pdev, 0, PCI_BASE_ADDRESS_SPACE_MEMORY, &d->bar);

    /* On the root bus this makes a Root Complex Integrated Endpoint */
    ret = pcie_endpoint_cap_init(pdev, 0);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "PCI Express capability");
        return;
    }
    pcie_cap_flr_init(pdev);
    ret = pci_pm_init(pdev, 0, errp);
    if (ret < 0) {
        goto err_cap;
    }
    pci_set_word(pdev->config + ret + PCI_PM_PMC, PCI_PM_CAP_VER_1_2);
    pci_set_word(pdev->wmask + ret + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
    if (msi_init(pdev, 0, 1, true, false, errp) < 0) {
        goto err_cap;
    }
    if (pcie_aer_init(pdev, PCI_ERR_VER, offset, PCI_ERR_SIZEOF, errp) < 0) {
        goto err_msi;
    }
    offset += PCI_ERR_SIZEOF;
    if (d->pasid_width) {
        offset = init_pasid(d, offset);
    }
    if (d->ats) {
        init_ats(d, offset);
        offset += PCI_EXT_CAP_ATS_SIZEOF;
    }

    atc_init(&d->atc);
    d->rand = g_rand_new_with_seed(d->seed);
    d->inv_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, inv_timer_cb, d);
    d->hammer_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, hammer_cb, d);
    d->resets = RESETS_POWER_ON;
    if (d->vfs && !init_vfs(d, offset, errp)) {
        ats_testdev_cleanup(d);
    }
    return;

err_msi:
    msi_uninit(pdev);
err_cap:
    pcie_cap_exit(pdev);
}

static void ats_testdev_exit(PCIDevice *pdev)
{
    pcie_sriov_pf_exit(pdev);
    ats_testdev_cleanup(ATS_TESTDEV(pdev));
}

static int get_inv_mode_prop(Object *obj, Error **errp)
{
    return ATS_TESTDEV(obj)->inv_mode;
}

static void set_inv_mode_prop(Object *obj, int mode, Error **errp)
{
    ATSTestDev *d = ATS_TESTDEV(obj);

    set_inv_mode(d, mode, d->inv_arg);
}

static void get_inv_arg_prop(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    visit_type_uint32(v, name, &ATS_TESTDEV(obj)->inv_arg, errp);
}

static void set_inv_arg_prop(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    ATSTestDev *d = ATS_TESTDEV(obj);
    uint32_t arg;

    if (visit_type_uint32(v, name, &arg, errp)) {
        set_inv_mode(d, d->inv_mode, arg);
    }
}

static const Property ats_testdev_properties[] = {
    DEFINE_PROP_BOOL("ats", ATSTestDev, ats, true),
    DEFINE_PROP_UINT8("pasid-width", ATSTestDev, pasid_width, 0),
    DEFINE_PROP_BOOL("pasid-strict", ATSTestDev, pasid_strict, false),
    DEFINE_PROP_BOOL("global-invalidate", ATSTestDev, global_invalidate, true),
    DEFINE_PROP_UINT8("vfs", ATSTestDev, vfs, 0),
    DEFINE_PROP_UINT32("seed", ATSTestDev, seed, 1),
};

static const VMStateDescription vmstate_ats_testdev = {
    .name = TYPE_ATS_TESTDEV,
    .unmigratable = 1,
};

static void ats_testdev_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    pc->realize = ats_testdev_realize;
    pc->exit = ats_testdev_exit;
    pc->config_write = ats_testdev_config_write;
    pc->ats_invalidate = ats_testdev_invalidate;
    pc->vendor_id = ATD_VENDOR_ID;
    pc->device_id = ATD_DEVICE_ID;
    pc->class_id = PCI_CLASS_OTHERS;
    dc->desc = "PCIe endpoint with a faulty Address Translation Cache";
    dc->vmsd = &vmstate_ats_testdev;
    rc->phases.hold = ats_testdev_reset_hold;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, ats_testdev_properties);

    /* Not qdev properties: these can be set while the machine runs */
    object_class_property_add_enum(klass, "inv-mode", "ATSTestDevInvMode",
                                   &inv_mode_lookup, get_inv_mode_prop,
                                   set_inv_mode_prop);
    object_class_property_set_description(klass, "inv-mode",
        "what to do with Invalidate Requests");
    object_class_property_add(klass, "inv-arg", "uint32", get_inv_arg_prop,
                              set_inv_arg_prop, NULL, NULL);
    object_class_property_set_description(klass, "inv-arg",
        "argument of some inv-mode: us, requests of 1000, requests");
}

static const TypeInfo ats_testdev_info = {
    .name = TYPE_ATS_TESTDEV,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(ATSTestDev),
    .class_init = ats_testdev_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_PCIE_DEVICE },
        { },
    },
};

static void ats_testdev_register_types(void)
{
    type_register_static(&ats_testdev_info);
}
type_init(ats_testdev_register_types)
