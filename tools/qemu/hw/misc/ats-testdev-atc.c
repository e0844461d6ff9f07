/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Address Translation Cache of ats-testdev
 */

#include "qemu/osdep.h"
#include "ats-testdev-atc.h"

/* Which page of which address space a translation is of */
typedef struct ATCKey {
    uint64_t page;              /* untranslated page number */
    uint32_t pasid;             /* or PCI_NO_PASID */
} ATCKey;

static ATCKey atc_key(uint32_t pasid, uint64_t addr)
{
    return (ATCKey) { .page = addr >> ATC_PAGE_BITS, .pasid = pasid };
}

static guint atc_key_hash(gconstpointer v)
{
    const ATCKey *key = v;

    return g_int64_hash(&key->page) ^ key->pasid * 31;
}

static gboolean atc_key_equal(gconstpointer v1, gconstpointer v2)
{
    const ATCKey *k1 = v1, *k2 = v2;

    return k1->page == k2->page && k1->pasid == k2->pasid;
}

void atc_init(ATSTestATC *atc)
{
    atc->entries = g_hash_table_new_full(atc_key_hash, atc_key_equal, g_free,
                                         g_free);
}

void atc_destroy(ATSTestATC *atc)
{
    g_hash_table_destroy(atc->entries);
}

void atc_clear(ATSTestATC *atc)
{
    g_hash_table_remove_all(atc->entries);
}

unsigned int atc_size(ATSTestATC *atc)
{
    return g_hash_table_size(atc->entries);
}

ATCEntry *atc_lookup(ATSTestATC *atc, uint32_t pasid, uint64_t addr)
{
    ATCKey key = atc_key(pasid, addr);

    return g_hash_table_lookup(atc->entries, &key);
}

bool atc_has_room(ATSTestATC *atc, uint32_t pasid, uint64_t addr)
{
    return atc_size(atc) < ATC_MAX_ENTRIES || atc_lookup(atc, pasid, addr);
}

void atc_insert(ATSTestATC *atc, uint32_t pasid, uint64_t addr,
                const IOMMUTLBEntry *tlbe)
{
    ATCKey key = atc_key(pasid, addr);
    ATCEntry *entry = g_new(ATCEntry, 1);

    entry->translated = (tlbe->translated_addr & ~tlbe->addr_mask) |
                        (addr & ~ATC_PAGE_MASK & tlbe->addr_mask);
    entry->perm = tlbe->perm;
    g_hash_table_replace(atc->entries, g_memdup2(&key, sizeof(key)), entry);
}

void atc_remove(ATSTestATC *atc, uint32_t pasid, uint64_t addr)
{
    ATCKey key = atc_key(pasid, addr);

    g_hash_table_remove(atc->entries, &key);
}

/*
 * A request with a PASID concerns the entries of that PASID, of all PASIDs if
 * it is global; one without concerns those without. The latter might as well
 * take the others along: that would hide a driver's forgotten request.
 */
static gboolean atc_is_hit(gpointer key, gpointer value, gpointer opaque)
{
    const PCIATSInvalidateReq *req = opaque;
    const ATCKey *k = key;

    if (req->pasid_valid != (k->pasid != PCI_NO_PASID) ||
        (req->pasid_valid && !req->global && req->pasid != k->pasid)) {
        return false;
    }
    return ((k->page << ATC_PAGE_BITS) & ~req->mask) == req->addr;
}

void atc_invalidate(ATSTestATC *atc, const PCIATSInvalidateReq *req)
{
    /* One page of one address space is most of what a driver asks for */
    if (req->mask == ATC_PAGE_MASK && !(req->pasid_valid && req->global)) {
        atc_remove(atc, req->pasid_valid ? req->pasid : PCI_NO_PASID,
                   req->addr);
        return;
    }
    g_hash_table_foreach_remove(atc->entries, atc_is_hit, (gpointer)req);
}
