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

static GHashTable *atc_table_new(void)
{
    return g_hash_table_new_full(atc_key_hash, atc_key_equal, g_free, g_free);
}

static GHashTable *atc_table(ATSTestATC *atc, uint32_t pasid)
{
    return pasid == PCI_NO_PASID ? atc->plain : atc->tagged;
}

void atc_init(ATSTestATC *atc)
{
    atc->plain = atc_table_new();
    atc->tagged = atc_table_new();
}

void atc_destroy(ATSTestATC *atc)
{
    g_hash_table_destroy(atc->plain);
    g_hash_table_destroy(atc->tagged);
}

void atc_clear(ATSTestATC *atc)
{
    g_hash_table_remove_all(atc->plain);
    g_hash_table_remove_all(atc->tagged);
}

unsigned int atc_size(ATSTestATC *atc)
{
    return g_hash_table_size(atc->plain) + g_hash_table_size(atc->tagged);
}

ATCEntry *atc_lookup(ATSTestATC *atc, uint32_t pasid, uint64_t addr)
{
    ATCKey key = atc_key(pasid, addr);

    return g_hash_table_lookup(atc_table(atc, pasid), &key);
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
    g_hash_table_replace(atc_table(atc, pasid), g_memdup2(&key, sizeof(key)),
                         entry);
}

void atc_remove(ATSTestATC *atc, uint32_t pasid, uint64_t addr)
{
    ATCKey key = atc_key(pasid, addr);

    g_hash_table_remove(atc_table(atc, pasid), &key);
}

/* Whether @req covers an entry of its table */
static gboolean atc_is_hit(gpointer key, gpointer value, gpointer opaque)
{
    const PCIATSInvalidateReq *req = opaque;
    const ATCKey *k = key;

    return (!req->pasid_valid || req->global || req->pasid == k->pasid) &&
           ((k->page << ATC_PAGE_BITS) & ~req->mask) == req->addr;
}

void atc_invalidate(ATSTestATC *atc, const PCIATSInvalidateReq *req,
                    bool strict)
{
    uint32_t pasid = req->pasid_valid ? req->pasid : PCI_NO_PASID;

    if (req->mask == ATC_PAGE_MASK && !(req->pasid_valid && req->global)) {
        /* One page of one address space: there is one entry at most */
        atc_remove(atc, pasid, req->addr);
    } else {
        g_hash_table_foreach_remove(atc_table(atc, pasid), atc_is_hit,
                                    (gpointer)req);
    }
    if (!req->pasid_valid && !strict) {
        g_hash_table_remove_all(atc->tagged);
    }
}
