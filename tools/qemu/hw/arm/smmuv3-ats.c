/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arm SMMUv3: PCIe Address Translation Services
 *
 * Translation Requests, the check of Translated transactions, CMD_ATC_INV, and
 * a CMD_SYNC that waits for the answers. Section numbers are those of
 * Arm IHI 0070.
 *
 * This is not an SMMU of its own: the queues, the configuration cache and the
 * page table walk are smmuv3.c's. No PRI, split-stage ATS or CXL.cache.
 *
 * All state here is protected by the BQL. s->mutex is the lock of the caches;
 * a function that answers from within its ats_invalidate() runs with it held,
 * so smmuv3_ats_invalidate_complete() must not take it.
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "hw/arm/smmuv3.h"
#include "migration/blocker.h"
#include "smmuv3-internal.h"
#include "trace.h"

/* An Invalidate Request that was sent and not answered */
struct SMMUv3ATSInv {
    SMMUDevice *sdev;
    uint32_t sid;
    uint64_t tag;
    QTAILQ_ENTRY(SMMUv3ATSInv) next;
};

/* CMD_ATC_INV.Size of the whole address space */
#define ATC_INV_SIZE_ALL 52

/* What an answer covers that no page table entry describes: ATS' unit */
#define ATS_PAGE_MASK 0xfff

/* What smmuv3_ats_check() found */
typedef enum {
    ATS_CFG_OK,
    ATS_CFG_DENIED,         /* and an event says so */
    ATS_CFG_SILENT,         /* no event: 3.9.1 and CR2.REC_CFG_ATS = RES0 */
} ATSCfgStatus;

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

/* CMDQ_CONS.RD with its wrap bit */
static uint32_t cmdq_cons(SMMUv3State *s)
{
    return s->cmdq.cons & WRAP_INDEX_MASK(&s->cmdq);
}

/* How many requests @sdev, or everybody if NULL, has not answered */
static unsigned int outstanding(SMMUv3State *s, SMMUDevice *sdev)
{
    SMMUv3ATSInv *inv;
    unsigned int n = 0;

    QTAILQ_FOREACH(inv, &s->ats.invs, next) {
        n += !sdev || inv->sdev == sdev;
    }
    return n;
}

static void forget(SMMUv3State *s, SMMUv3ATSInv *inv)
{
    QTAILQ_REMOVE(&s->ats.invs, inv, next);
    g_free(inv);
}

/*
 * Give up on what @sdev, or anybody if NULL, has not answered. An answer that
 * still comes finds no request with its tag and is ignored. Which part of the
 * outstanding requests times out is UNKNOWN (4.7.3): here it is all of them.
 */
static void give_up(SMMUv3State *s, SMMUDevice *sdev)
{
    SMMUv3ATSInv *inv, *tmp;
    unsigned int n = 0;

    QTAILQ_FOREACH_SAFE(inv, &s->ats.invs, next, tmp) {
        if (!sdev || inv->sdev == sdev) {
            forget(s, inv);
            n++;
        }
    }
    if (n) {
        trace_smmuv3_atc_inv_timeout(now_ns(), n);
        s->ats.timed_out += n;
    }
}

static void start_wait(SMMUv3State *s)
{
    s->ats.waiting = true;
    s->ats.expired = false;
    timer_mod(s->ats.timer, now_ns() + s->ats.timeout_us * (int64_t)SCALE_US);
}

static void end_wait(SMMUv3State *s)
{
    s->ats.waiting = false;
    s->ats.expired = false;
    timer_del(s->ats.timer);
}

static void smmuv3_ats_timeout(void *opaque)
{
    SMMUv3State *s = opaque;

    s->ats.expired = true;
    smmuv3_cmdq_consume(s);
}

/*
 * Is there no link below the port above @bus? Such a port drops a posted request
 * and reports no error (PCI Express 6.0, 2.9.1), so nothing ever answers it.
 */
static bool link_is_down(PCIBus *bus)
{
    PCIDevice *port = pci_bridge_get_device(bus);

    if (!port || !pci_is_express_downstream_port(port)) {
        return false;
    }
    return !(pci_get_word(port->config + port->exp.exp_cap + PCI_EXP_LNKSTA) &
             PCI_EXP_LNKSTA_DLLLA);
}

/**
 * smmuv3_ats_cmd_atc_inv - send the Invalidate Request of a CMD_ATC_INV
 *
 * The request is delivered at once; only a function that has the maximum
 * outstanding makes the command, and with it the queue, wait. It waits for one
 * answer or for the timeout, whichever comes first.
 */
SMMUv3ATSCmdStatus smmuv3_ats_cmd_atc_inv(SMMUv3State *s, struct Cmd *cmd)
{
    SMMUv3ATSState *ats = &s->ats;
    uint32_t sid = CMD_SID(cmd);
    uint8_t size = CMD_ATC_SIZE(cmd);
    uint64_t mask, addr;
    PCIATSInvalidateReq req;
    SMMUDevice *sdev;
    SMMUv3ATSInv *inv;
    PCIDevice *pdev;

    /* 4.5.1: ILLEGAL without ATS, and from Non-secure with SSec */
    if (!ats->enabled || CMD_SSEC(cmd)) {
        return SMMU_ATS_CMD_ILLEGAL;
    }
    /* 4.5.1: IGNORED when the SMMU is off */
    if (!smmu_enabled(s)) {
        return SMMU_ATS_CMD_DONE;
    }

    sdev = smmu_find_sdev(ARM_SMMU(s), sid);
    if (sdev && outstanding(s, sdev) >= SMMU_ATS_MAX_OUTSTANDING) {
        if (!ats->waiting) {
            start_wait(s);
        }
        if (!ats->expired) {
            return SMMU_ATS_CMD_WAIT;
        }
        /* The CMD_SYNC behind them reports it */
        give_up(s, sdev);
    }
    end_wait(s);

    /* Reserved sizes are CONSTRAINED UNPREDICTABLE: take them as all */
    size = MIN(size, ATC_INV_SIZE_ALL);
    mask = size == ATC_INV_SIZE_ALL ? UINT64_MAX : (4096ULL << size) - 1;
    addr = CMD_ADDR(cmd);
    if (addr & mask) {
        if (size != ATC_INV_SIZE_ALL) {
            qemu_log_mask(LOG_GUEST_ERROR, "CMD_ATC_INV: address 0x%" PRIx64
                          " is not aligned to its size %u\n", addr, size);
        }
        addr &= ~mask;
    }
    trace_smmuv3_atc_inv(now_ns(), sid, addr, size);

    req = (PCIATSInvalidateReq) {
        .tag = ats->next_tag++,
        .addr = addr,
        .mask = mask,
        .pasid_valid = CMD_SSV(cmd),
        .pasid = CMD_SSV(cmd) ? CMD_SSID(cmd) : 0,
        .global = CMD_ATC_GLOBAL(cmd),
    };
    pdev = sdev ? sdev->bus->devices[sdev->devfn] : NULL;

    /* The function may answer before pci_ats_invalidate() returns */
    inv = g_new(SMMUv3ATSInv, 1);
    *inv = (SMMUv3ATSInv) { .sdev = sdev, .sid = sid, .tag = req.tag };
    QTAILQ_INSERT_TAIL(&ats->invs, inv, next);
    if (!pdev && sdev && link_is_down(sdev->bus)) {
        return SMMU_ATS_CMD_DONE;
    }
    if (!pci_ats_invalidate(pdev, &req)) {
        /* 3.9.1.5: an Unsupported Request completes it, without error */
        trace_smmuv3_atc_inv_done(now_ns(), sid);
        forget(s, inv);
    }
    return SMMU_ATS_CMD_DONE;
}

/**
 * smmuv3_ats_cmd_sync - let a CMD_SYNC complete, wait or fail
 *
 * It waits for every CMD_ATC_INV that was submitted before it and that no
 * earlier successful CMD_SYNC covered, whoever submitted it (4.7.3): these are
 * the ones on the list, because no command behind a CMD_SYNC begins before it
 * has completed.
 */
SMMUv3ATSCmdStatus smmuv3_ats_cmd_sync(SMMUv3State *s)
{
    SMMUv3ATSState *ats = &s->ats;

    if (!ats->waiting) {
        trace_smmuv3_cmd_sync(now_ns(), cmdq_cons(s), outstanding(s, NULL));
    }
    if (ats->hung) {
        return SMMU_ATS_CMD_WAIT;
    }

    /*
     * It fails as soon as one has timed out, and that may be before it was
     * fetched. The others may go on to complete, of an UNKNOWN number: of none.
     */
    if (!ats->timed_out && (!QTAILQ_EMPTY(&ats->invs) || ats->sticky_left)) {
        if (!ats->waiting) {
            start_wait(s);
        }
        if (!ats->expired) {
            return SMMU_ATS_CMD_WAIT;
        }
    }
    give_up(s, NULL);

    if (ats->timed_out || ats->sticky_left) {
        if (ats->hang) {
            /* 3.9.1.4: it may as well stay incomplete for ever */
            timer_del(ats->timer);
            ats->waiting = true;
            ats->hung = true;
            return SMMU_ATS_CMD_WAIT;
        }
        /*
         * What timed out is dropped here, so that the CMD_SYNC, fetched again
         * once software has acknowledged the error, has nothing to wait for:
         * unless it was made to fail a few times more.
         */
        ats->sticky_left = ats->timed_out ? ats->sticky : ats->sticky_left - 1;
        ats->timed_out = 0;
        end_wait(s);
        return SMMU_ATS_CMD_TIMEOUT;
    }

    end_wait(s);
    trace_smmuv3_cmd_sync_done(now_ns(), cmdq_cons(s));
    return SMMU_ATS_CMD_DONE;
}

void smmuv3_ats_invalidate_complete(SMMUDevice *sdev, uint64_t tag)
{
    SMMUv3State *s = sdev->smmu;
    SMMUv3ATSInv *inv;

    assert(bql_locked());

    QTAILQ_FOREACH(inv, &s->ats.invs, next) {
        /* A tag is unique, so this only refuses a function that guesses */
        if (inv->tag == tag && inv->sdev == sdev) {
            trace_smmuv3_atc_inv_done(now_ns(), inv->sid);
            forget(s, inv);
            smmuv3_cmdq_consume(s);
            return;
        }
    }
}

/*
 * Whether @sdev may use ATS. The STE alone decides that, and as for any other
 * transaction the cached one, so that a changed STE.EATS is not seen before
 * CMD_CFGI_STE. The caller holds s->mutex and must have released it before an
 * event is recorded.
 */
static ATSCfgStatus smmuv3_ats_check(SMMUDevice *sdev)
{
    SMMUEventInfo event = { .type = SMMU_EVT_NONE, .inval_ste_allowed = true };
    SMMUTransCfg *cfg;

    if (!smmu_enabled(sdev->smmu)) {
        return ATS_CFG_DENIED;
    }
    /* IDR0.ATSRECERR = 0: configuration errors of ATS are not recorded */
    cfg = smmuv3_get_config(sdev, SMMU_SSID_STE, &event);
    if (!cfg || cfg->aborted) {
        return ATS_CFG_SILENT;
    }
    if (cfg->bypassed || cfg->eats != STE_EATS_FULL) {
        return ATS_CFG_DENIED;
    }
    return ATS_CFG_OK;
}

/**
 * smmuv3_ats_translated - check a Translated transaction
 *
 * 3.9.1.3: with CR0.ATSCHK = 0 it passes unchecked; with ATSCHK = 1 the STE
 * must allow ATS, or else it is aborted with F_TRANSL_FORBIDDEN. On bypass it
 * is forbidden. Neither the address nor, with IDR3.PASIDTT = 0, a CD is looked
 * at in any case.
 */
IOMMUTLBEntry smmuv3_ats_translated(SMMUDevice *sdev, hwaddr addr,
                                    IOMMUAccessFlags flag)
{
    SMMUv3State *s = sdev->smmu;
    uint32_t sid = smmu_get_sid(sdev);
    ATSCfgStatus status = ATS_CFG_OK;
    IOMMUTLBEntry entry = {
        .target_as = &address_space_memory,
        .iova = addr & ~(hwaddr)ATS_PAGE_MASK,
        .translated_addr = addr & ~(hwaddr)ATS_PAGE_MASK,
        .addr_mask = ATS_PAGE_MASK,
        .perm = IOMMU_NONE,
    };

    /* Without ATS there is no such thing as a Translated transaction */
    if (!s->ats.enabled) {
        return entry;
    }

    WITH_QEMU_LOCK_GUARD(&s->mutex) {
        if (!smmu_enabled(s) || FIELD_EX32(s->cr[0], CR0, ATSCHK)) {
            status = smmuv3_ats_check(sdev);
        }
    }

    if (status == ATS_CFG_OK) {
        entry.perm = flag;
    } else if (status == ATS_CFG_DENIED) {
        SMMUEventInfo event = {
            .type = SMMU_EVT_F_TRANS_FORBIDDEN,
            .sid = sid,
            .u.f_transl_forbidden = {
                .addr = addr,
                .rnw = flag == IOMMU_RO,
            },
        };

        trace_smmuv3_transl_forbidden(now_ns(), sid, addr);
        smmuv3_record_event(s, &event);
    }
    return entry;
}

/*
 * Translate @addr of a stream that may use ATS. Return false for Completer
 * Abort; @event says whether an event goes with it.
 */
static bool smmuv3_ats_translate(SMMUDevice *sdev, uint32_t ssid, hwaddr addr,
                                 IOMMUTLBEntry *entry, SMMUEventInfo *event)
{
    SMMUEventInfo cfg_event = { .type = SMMU_EVT_NONE };
    SMMUTLBEntry *tlbe = NULL;
    SMMUTransCfg *cfg;

    /* No CD for @ssid, or a bad one: IDR0.ATSRECERR = 0, so no event */
    cfg = smmuv3_get_config(sdev, ssid, &cfg_event);
    if (!cfg) {
        return false;
    }
    if (cfg->bypassed) {
        /* 13.6.4: without a SubstreamID, and S1DSS bypasses stage 1 */
        entry->translated_addr = entry->iova;
        entry->perm = IOMMU_RW;
        return true;
    }
    /* IOMMU_NONE: whatever the tables permit, no permission fault */
    if (smmuv3_do_translate(sdev->smmu, addr, cfg, event, IOMMU_NONE, &tlbe,
                            SMMU_CLASS_IN) == SMMU_TRANS_SUCCESS) {
        entry->perm = tlbe->entry.perm & tlbe->parent_perm;
        entry->iova = addr & ~tlbe->entry.addr_mask;
        entry->translated_addr = tlbe->entry.translated_addr;
        entry->addr_mask = tlbe->entry.addr_mask;
        return true;
    }
    if (event->type == SMMU_EVT_F_WALK_EABT) {
        return false;
    }
    event->type = SMMU_EVT_NONE;
    return true;
}

/**
 * smmuv3_ats_request_translation - answer a Translation Request
 *
 * 3.9.1.2: a fault of the translation itself is no event; it ends as a Success
 * without permissions. Only the walk's own abort, a configuration error and a
 * stream that may not use ATS get an error completion.
 */
bool smmuv3_ats_request_translation(SMMUDevice *sdev, uint32_t ssid,
                                    hwaddr addr, bool no_write,
                                    IOMMUTLBEntry *entry)
{
    SMMUv3State *s = sdev->smmu;
    uint32_t sid = smmu_get_sid(sdev);
    SMMUEventInfo event = {
        .type = SMMU_EVT_NONE,
        .sid = sid,
        .ssid = ssid,
        .ssv = ssid != SMMU_NO_SSID,
    };
    ATSCfgStatus status;
    bool success = false;

    *entry = (IOMMUTLBEntry) {
        .target_as = &address_space_memory,
        .iova = addr & ~(hwaddr)ATS_PAGE_MASK,
        .addr_mask = ATS_PAGE_MASK,
        .perm = IOMMU_NONE,
    };

    if (!s->ats.enabled) {
        return false;
    }

    WITH_QEMU_LOCK_GUARD(&s->mutex) {
        status = smmuv3_ats_check(sdev);
        if (status == ATS_CFG_OK) {
            success = smmuv3_ats_translate(sdev, ssid, addr, entry, &event);
        }
    }

    if (no_write) {
        entry->perm &= ~IOMMU_WO;
    }
    if (status == ATS_CFG_DENIED) {
        event.type = SMMU_EVT_F_BAD_ATS_TREQ;
        event.u.f_bad_ats_treq.addr = addr;
        event.u.f_bad_ats_treq.rnw = no_write;
        trace_smmuv3_bad_ats_treq(now_ns(), sid, addr);
    }
    if (event.type == SMMU_EVT_F_WALK_EABT) {
        event.u.f_walk_eabt.addr = addr;
    }
    if (event.type != SMMU_EVT_NONE) {
        smmuv3_record_event(s, &event);
    }
    return success;
}

void smmuv3_ats_reset(SMMUv3State *s)
{
    SMMUv3ATSInv *inv, *tmp;

    QTAILQ_FOREACH_SAFE(inv, &s->ats.invs, next, tmp) {
        forget(s, inv);
    }
    end_wait(s);
    s->ats.hung = false;
    s->ats.timed_out = 0;
    s->ats.sticky_left = 0;
}

bool smmuv3_ats_realize(SMMUv3State *s, Error **errp)
{
    SMMUv3ATSState *ats = &s->ats;

    QTAILQ_INIT(&ats->invs);
    ats->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, smmuv3_ats_timeout, s);
    if (!ats->enabled) {
        return true;
    }
    /* A request in flight exists in two devices, and neither migrates it */
    error_setg(&ats->migration_blocker,
               "SMMUv3 with ats=on does not support migration");
    return migrate_add_blocker(&ats->migration_blocker, errp) >= 0;
}
