/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The barriers around the record of a queue error (races 4 and 5, I2):
 * arm_smmu_cmdq_take_error() on one CPU, and arm_smmu_cmdq_issue_cmdlist() on that of
 * the submitter, and on that of the next owner of the slots. The rules of arm64 are in
 * order.h.
 *
 *	taker				SMMU		owner
 *
 *	LOCK	err_lock		stops at the	MSI	CMD_SYNC completed
 *	CONS	which slot		CMD_SYNC	RMB	dma_rmb()
 *	MAP	err_map			  with an error	LOOK	nr_errs
 *	NR	nr_errs++		...		TAKE	err_map, under err_lock
 *	ACK	writel(GERRORN)		fetches it	CONS	slots are free
 *	UNLOCK				  again, MSI
 *
 * The taker is the handler of the interrupt or any CPU that polls. In the run SLOT the
 * list in the slot has no CMD_SYNC, so no owner takes the record. A CPU frees the slot
 * after it has seen CONS move on. The owner here is the next one, without an error:
 *
 *	FREE	cmpxchg of llq (acquire): there is space
 *	FIRST	nr_errs: forget what was recorded for the slot
 *	SEND	its own list, MSI, RMB, LOOK, TAKE as above
 *
 * Properties:
 *  no-lost-error the owner learns that its list failed
 *  no-false-error the owner of a list that did not fail does not learn that it did
 *  no-deadlock	  the named orders do not contradict each other
 *
 * Runs:
 *  SLOT: see above
 *  NEXT: another owner gets the slot after this one and clears the record
 *
 * Mutants:
 *  NO_RMB (no-lost-error): no dma_rmb() after the CMD_SYNC
 *  ACK_RELAXED (no-lost-error): GERRORN is written by writel_relaxed()
 *  ACK_FIRST (no-lost-error): the error is recorded after the acknowledge
 *  LATE_TAKE NEXT (no-lost-error): the owner reads the record after it has freed its slots
 *  FREE_RELAXED SLOT (no-false-error): the slots are allocated by cmpxchg_relaxed()
 *  NO_FIRST SLOT (no-false-error): the next owner of the slots does not clear the record
 */

#include "order.h"

bool locked;				/* err_lock */
bool map, nr_errs;			/* of the slot that all this is about */
bool gerror, ack;			/* CMDQ_ERR; GERRORN was written */
bool freed;				/* llq.cons */
bool sent, msi;				/* of the owner's list */

proctype Smmu()
{
	/* It stops at the slot, and completes the command after the acknowledge */
	sent;
	gerror = true;
	ack;
#ifdef SLOT
	freed = true;			/* by who sees CONS: data dependency */
#else
	msi = true
#endif
}

#define LOCK	0
#define CONS	1
#define MAP	2
#define NR	3
#define ACK	4

proctype Taker()
{
	byte done;

	do
	EVENT(LOCK, !locked, locked = true)
	EVENT(CONS, did(LOCK) && gerror, skip)
#ifdef ACK_FIRST
	EVENT(ACK, did(CONS), ack = true)
	EVENT(MAP, did(ACK), map = true)
	EVENT(NR, did(ACK), nr_errs = true)
#else
	EVENT(MAP, did(CONS), map = true)
	EVENT(NR, did(CONS), nr_errs = true)
#ifdef ACK_RELAXED
	EVENT(ACK, did(CONS), ack = true)
#else
	EVENT(ACK, did(CONS) && did(MAP) && did(NR), ack = true)
#endif
#endif
	:: did(MAP) && did(NR) && did(ACK) -> break
	od;
	locked = false
}

#define FREE	0
#define FIRST	1
#define SEND	2
#define MSI	3
#define RMB	4
#define LOOK	5
#define GIVE	6

/* arm_smmu_cmdq_collect_errors() */
inline collect(found)
{
	atomic { !locked -> locked = true }
	d_step { found = map; nr_errs = nr_errs && !map; map = false }
	locked = false
}

proctype Owner()
{
	byte done;
	bool seen, mine;

#ifdef SLOT
	do
	EVENT(FREE, freed, skip)
#ifdef FREE_RELAXED
	EVENT(FIRST, true, seen = nr_errs)
#else
	EVENT(FIRST, did(FREE), seen = nr_errs)
#endif
	:: did(FREE) && did(FIRST) -> break
	od;
#ifndef NO_FIRST
	if
	:: seen -> collect(mine); mine = false; seen = false
	:: else
	fi;
#endif
	msi = true;			/* its own list does not fail */
	done = 0;
#else
	sent = true;
#endif
	do
	EVENT(MSI, msi, skip)
	EVENT(RMB, did(MSI), skip)
#ifdef NO_RMB
	EVENT(LOOK, true, seen = nr_errs)
#else
	EVENT(LOOK, did(RMB), seen = nr_errs)
#endif
	:: did(LOOK) && did(MSI) -> break
	od;
#ifdef LATE_TAKE
	freed = true;
#endif
	if
	:: seen -> collect(mine)
	:: else
	fi;
#ifdef SLOT
	assert(!mine);			/* no-false-error */
#else
	assert(mine);			/* no-lost-error */
#endif
#if !defined(LATE_TAKE) && !defined(SLOT)
	freed = true
#endif
}

#ifdef NEXT
proctype Next()
{
	bool seen, other;

	freed;
	seen = nr_errs;
	if
	:: seen -> collect(other)
	:: else
	fi;
	assert(!nr_errs && !map)	/* no-false-error */
}
#endif

init
{
	atomic {
#ifdef SLOT
		sent = true;
#endif
		run Smmu();
		run Taker();
#ifdef NEXT
		run Next();
#endif
		run Owner()
	}
}
