/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Address Translation Cache of ats-testdev
 *
 * Translations of 4 KiB pages by address and PASID, and what an Invalidate
 * Request does to them. Nothing here sends a request: ats-testdev.c does.
 */

#ifndef HW_MISC_ATS_TESTDEV_ATC_H
#define HW_MISC_ATS_TESTDEV_ATC_H

#include "exec/memory.h"
#include "hw/pci/pci.h"

#define ATC_PAGE_BITS   12
#define ATC_PAGE_SIZE   (1ULL << ATC_PAGE_BITS)
#define ATC_PAGE_MASK   (ATC_PAGE_SIZE - 1)
#define ATC_MAX_ENTRIES 65536

typedef struct ATSTestATC {
    GHashTable *plain;          /* translations without a PASID */
    GHashTable *tagged;         /* translations with one */
} ATSTestATC;

typedef struct ATCEntry {
    uint64_t translated;
    IOMMUAccessFlags perm;
} ATCEntry;

void atc_init(ATSTestATC *atc);
void atc_destroy(ATSTestATC *atc);

/* Forget all translations */
void atc_clear(ATSTestATC *atc);

unsigned int atc_size(ATSTestATC *atc);

/* The translation of the page of @addr; @pasid may be PCI_NO_PASID */
ATCEntry *atc_lookup(ATSTestATC *atc, uint32_t pasid, uint64_t addr);

/* Return false if there is no room for another page */
bool atc_has_room(ATSTestATC *atc, uint32_t pasid, uint64_t addr);

/* Keep what the IOMMU answered for the page of @addr */
void atc_insert(ATSTestATC *atc, uint32_t pasid, uint64_t addr,
                const IOMMUTLBEntry *tlbe);

void atc_remove(ATSTestATC *atc, uint32_t pasid, uint64_t addr);

/*
 * Forget the translations that @req covers. PCIe 6.2, 10.3.8: a request without
 * a PASID covers the entries without a PASID in its range, and the entries of
 * all PASIDs at all addresses. With @strict it leaves the latter alone.
 */
void atc_invalidate(ATSTestATC *atc, const PCIATSInvalidateReq *req,
                    bool strict);

#endif
