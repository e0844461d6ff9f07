/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The barriers of "a flush that sees FENCED may return without CMD_ATC_INV" (I1, I5,
 * race 9): __arm_smmu_domain_inv_range() with arm_smmu_atc_is_fenced(), against the fence
 * that sets FENCED, and against arm_smmu_atc_lift() and the attach that follow a reset.
 * The other steps are in helping.pml and reset.pml, the rules of arm64 in order.h.
 *
 *	flush			fence			reset and attach
 *
 *	PTE	= 0		CLEAR	EATS = 0	STATE	state = OK
 *	(smp_mb())		CFGI	CFGI_STE	UNLOCK
 *	TLBI	CMD_TLBI	SYNC	completed	LOCK
 *	SYNC	completed	(dma_rmb())		EATS	EATS = 1
 *	RMB	dma_rmb()	FENCED	state = FENCED	UNLOCK2
 *	LOOK	state
 *	REUSE	FENCED: the page has a new owner
 *
 * It begins with the fence; the device is reset at any time after that, and may then
 * ask for the translation as soon as the SMMU sees EATS = 1.
 *
 * Properties:
 *  no-escape	 the device cannot write to the page when it is reused
 *  no-deadlock  the named orders do not contradict each other
 *
 * Mutants:
 *  NO_RMB (no-escape): no dma_rmb() after the CMD_SYNC: the wait for the MSI uses relaxed loads
 *  NO_MB (no-escape): neither smp_mb() nor dma_wmb() between PTE and CMD_TLBI
 *  NO_WMB (no-escape): nothing between the store to the STE and CMD_CFGI_STE
 *  ATTACH_NO_LOCK (no-escape): the attach stores EATS without the lock
 *  LIFT_NO_LOCK (no-escape): the state becomes OK without the lock
 */

#include "order.h"

mtype = { FENCING, FENCED, OK };

mtype state = FENCING;
bool eats = true, pte = true, tlb, atc = true;
#define NONE	2
byte cached = true;			/* EATS that the SMMU goes by */
bool tlbi, tlbi_ended, cfgi, cfgi_ended;
bool reused;

inline no_escape()
{
	assert(!(reused && atc && (cached == NONE -> eats : cached)))	/* no-escape */
}

proctype Hardware()
{
end:	do
	:: d_step { tlbi && !tlbi_ended -> tlbi_ended = true; tlb = false }
	:: d_step { cfgi && !cfgi_ended -> cfgi_ended = true; cached = NONE }
	:: d_step { cached == NONE -> cached = eats; no_escape() }
	/* Without an end: the STE of the attach, for which it sends CFGI_STE, too */
	:: d_step { cached == 0 && eats -> cached = NONE }
	:: d_step { pte && !tlb -> tlb = true }
	:: d_step { cached == 1 && (pte || tlb) && !atc -> tlb = true; atc = true; no_escape() }
	od
}

#define PTE	0
#define F_TLBI	1
#define SYNC	2
#define RMB	3
#define LOOK	4

proctype Flush()
{
	byte done;
	mtype seen;

	do
	EVENT(PTE, true, pte = false)
#ifdef NO_MB
	EVENT(F_TLBI, true, tlbi = true)
#else
	EVENT(F_TLBI, did(PTE), tlbi = true)
#endif
	EVENT(SYNC, did(F_TLBI) && tlbi_ended, skip)
	EVENT(RMB, did(SYNC), skip)
#ifdef NO_RMB
	EVENT(LOOK, true, seen = state)
#else
	EVENT(LOOK, did(RMB), seen = state)
#endif
	/* Behind the branches on LOOK, SYNC: control dependencies to a store */
	:: did(LOOK) && did(SYNC) && did(PTE) -> break
	od;
	if
	:: seen == FENCED -> d_step { reused = true; no_escape() }
	:: else					/* sends CMD_ATC_INV */
	fi
}

#define CLEAR	0
#define CFGI	1
#define F_SYNC	2
#define MARK	3

proctype Fence()
{
	byte done;

	do
	EVENT(CLEAR, true, eats = false)
#ifdef NO_WMB
	EVENT(CFGI, true, cfgi = true)
#else
	EVENT(CFGI, did(CLEAR), cfgi = true)
#endif
	EVENT(F_SYNC, did(CFGI) && cfgi_ended, skip)
	EVENT(MARK, did(F_SYNC) && did(CLEAR), state = FENCED)
	:: did(MARK) -> break
	od
}

#define STATE	0
#define UNLOCK	1
#define LOCK2	2
#define EATS	3

proctype Reset()
{
	byte done;

	/* Later than the fence, as something else orders it, and so with the lock */
	state == FENCED;
	atc = false;
	do
	EVENT(STATE, true, state = OK)
#ifdef LIFT_NO_LOCK
	EVENT(LOCK2, true, skip)
#else
	EVENT(UNLOCK, did(STATE), skip)
	EVENT(LOCK2, did(UNLOCK), skip)
#endif
#ifdef ATTACH_NO_LOCK
	EVENT(EATS, true, eats = true)
#else
	EVENT(EATS, did(LOCK2), eats = true)
#endif
	:: did(STATE) && did(EATS) -> break
	od
}

init
{
	atomic {
		run Hardware();
		run Flush();
		run Fence();
		run Reset()
	}
}
