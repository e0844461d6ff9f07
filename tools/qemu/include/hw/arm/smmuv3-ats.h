/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arm SMMUv3: PCIe Address Translation Services
 *
 * What the SMMU remembers about ATS, and the calls by which smmuv3.c reaches
 * smmuv3-ats.c. Nothing here is for devices: those use hw/pci/pci.h.
 */

#ifndef HW_ARM_SMMUV3_ATS_H
#define HW_ARM_SMMUV3_ATS_H

#include "exec/memory.h"
#include "qapi/error.h"
#include "qemu/queue.h"
#include "qemu/timer.h"

typedef struct SMMUDevice SMMUDevice;
typedef struct SMMUv3State SMMUv3State;
typedef struct SMMUv3ATSInv SMMUv3ATSInv;
struct Cmd;

/* PCIe: a function may have this many Invalidate Requests outstanding */
#define SMMU_ATS_MAX_OUTSTANDING 32

typedef struct SMMUv3ATSState {
    /* properties */
    bool enabled;
    uint32_t timeout_us;
    uint32_t sticky;
    bool hang;

    /* requests that wait for an answer, oldest first */
    QTAILQ_HEAD(, SMMUv3ATSInv) invs;
    uint64_t next_tag;

    /*
     * The command at CMDQ_CONS.RD is a CMD_SYNC, or a CMD_ATC_INV beyond
     * SMMU_ATS_MAX_OUTSTANDING, that has begun to wait. It was fetched: what
     * software writes over it in memory has no effect before it has completed
     * or failed.
     */
    bool waiting;
    uint32_t cmd[4];
    bool expired;           /* the timer ran while it waited */
    bool hung;              /* it waits for ever: cmd-sync-hang */
    QEMUTimer *timer;

    uint32_t timed_out;     /* requests given up, not yet reported */
    uint32_t sticky_left;   /* CMD_SYNCs still to fail for nothing new */
    Error *migration_blocker;
} SMMUv3ATSState;

/* What is to happen with the command at CMDQ_CONS.RD */
typedef enum {
    SMMU_ATS_CMD_DONE,      /* consume it */
    SMMU_ATS_CMD_WAIT,      /* stop; smmuv3_cmdq_consume() is called again */
    SMMU_ATS_CMD_ILLEGAL,   /* CERROR_ILL */
    SMMU_ATS_CMD_TIMEOUT,   /* CERROR_ATC_INV_SYNC */
} SMMUv3ATSCmdStatus;

bool smmuv3_ats_realize(SMMUv3State *s, Error **errp);
/* Forget all requests and waits: reset, or the command queue is disabled */
void smmuv3_ats_reset(SMMUv3State *s);

/* Command queue. Both are called with s->mutex and the BQL held. */
SMMUv3ATSCmdStatus smmuv3_ats_cmd_atc_inv(SMMUv3State *s, struct Cmd *cmd);
SMMUv3ATSCmdStatus smmuv3_ats_cmd_sync(SMMUv3State *s);

/* A transaction with AT = translated */
IOMMUTLBEntry smmuv3_ats_translated(SMMUDevice *sdev, hwaddr addr,
                                    IOMMUAccessFlags flag);

/* The function's side: see PCIIOMMUOps */
bool smmuv3_ats_request_translation(SMMUDevice *sdev, uint32_t ssid,
                                    hwaddr addr, bool no_write,
                                    IOMMUTLBEntry *entry);
void smmuv3_ats_invalidate_complete(SMMUDevice *sdev, uint64_t tag);

#endif
