/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest for ATS: one case, and the lists of cases by subject
 */

#ifndef QTEST_ATS_TESTDEV_CASES_H
#define QTEST_ATS_TESTDEV_CASES_H

#include "libqos/ats-testdev.h"
#include "libqos/smmuv3-ats.h"

typedef struct {
    const char *path;
    void (*run)(ATSBench *t);   /* with a machine that is set up */
    const char *args;           /* of QEMU, besides the bench's own */
    void (*setup)(ATSBench *t); /* what the cases of a subject have in common */
} ATSCase;

/* Each list ends with an entry without a path */
extern const ATSCase ats_queue_cases[];
extern const ATSCase ats_dma_cases[];
extern const ATSCase ats_pasid_cases[];
extern const ATSCase ats_machine_cases[];
extern const ATSCase ats_dev_cases[];
extern const ATSCase ats_dpc_cases[];

#endif
