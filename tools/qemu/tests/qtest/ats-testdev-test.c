/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest for ATS in the SMMUv3 model and for ats-testdev
 *
 * Every state that the command queue can be in while a CMD_SYNC waits for
 * Invalidate Completions, the checks of Translated transactions and Translation
 * Requests, PASIDs, two SMMUs, Downstream Port Containment, and the endpoint's
 * own registers. The cases are in the files ats-testdev-*.c beside this one,
 * the helpers in libqos.
 *
 * What this does not test: any driver. There is no guest CPU.
 */

#include "qemu/osdep.h"
#include "ats-testdev-cases.h"

static void run_case(const void *opaque)
{
    const ATSCase *c = opaque;
    ATSBench t;

    ats_bench_start(&t, c->args);
    if (c->setup) {
        c->setup(&t);
    }
    c->run(&t);
    ats_bench_end(&t);
}

int main(int argc, char **argv)
{
    const ATSCase *const subjects[] = {
        ats_queue_cases, ats_dma_cases, ats_pasid_cases, ats_machine_cases,
        ats_dev_cases, ats_dpc_cases,
    };

    g_test_init(&argc, &argv, NULL);
    for (int i = 0; i < ARRAY_SIZE(subjects); i++) {
        for (const ATSCase *c = subjects[i]; c->path; c++) {
            qtest_add_data_func(c->path, c, run_case);
        }
    }
    return g_test_run();
}
