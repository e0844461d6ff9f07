/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Race 9 of the design: a reset lifts the fence while flushes that began before the
 * reset are in progress, with the array and the failures from before. Mirrors
 * arm_smmu_atc_lift(), arm_smmu_atc_recover_sid(), arm_smmu_atc_fence(),
 * arm_smmu_atc_blame_is_exact(), arm_smmu_atc_is_fenced() of arm-smmu-v3-atc.c, the order
 * of __arm_smmu_domain_inv_range() and of an attach of arm-smmu-v3.c.
 *
 *	flush 0, flush 1			reset, device blocked: EATS = 0
 *
 *	PTE = 0, array of invalidations		its ATC is emptied
 *	CMD_TLBI, SYNC				smmu->atc_gen++
 *	FENCED: return				state = OK, fence.gen++
 *	batch.atc_gen = smmu->atc_gen		attach: CMD_ATC_INV, SYNC, as a flush
 *	CMD_ATC_INV, SYNC			EATS = 1 if OK
 *	failed: gen = fence.gen ...		CFGI_STE, SYNC
 *						another flush
 *
 * The model begins when the device has been blocked: either it has answered, and its
 * ATC is empty, or it is fenced. The device may or may not answer each time. The
 * reset may fail, and may succeed without emptying the ATC. The device may fetch a
 * translation while EATS allows it. The model follows the page of flush 0.
 *
 * Other models have the words of the STE (attach.pml), the mark of a retry in
 * progress and interrupts (helping.pml), and the order in which other CPUs see loads
 * and stores (order-*.pml). A translation arrives at the device at once.
 *
 * Properties:
 *  no-escape	 no write through what a flush that has returned removed (I1)
 *  no-old-blame no fence for a CMD_ATC_INV from before the reset (I11, H3)
 *  usable-again after a successful reset EATS is 1, unless there was a new failure (I11)
 *  no-deadlock	 each process reaches its end
 *
 * Runs:
 *  SOLE: the domain has no other master, which would fill the IOTLB; a flush may have
 *	find an array of invalidations without the master, and do nothing; no flush 1
 *
 * Mutants:
 *  NO_GEN SOLE (no-old-blame): a reset does not change fence.gen
 *  NO_GEN_CHECK SOLE (no-old-blame): the fence begins without comparing fence.gen
 *  NO_GEN_RECHECK (no-escape): FENCED is set without comparing fence.gen
 *  LATE_GEN SOLE (no-old-blame): fence.gen is loaded after the retry
 *  LIFT_GEN_FIRST (no-escape): a reset changes fence.gen before the state
 *  NO_ATC_GEN SOLE (no-old-blame): a batch of one Stream ID is blamed without comparing atc_gen
 *  LATE_BATCH_GEN SOLE (no-old-blame): batch.atc_gen is loaded after the batch has failed
 *  LIFT_ATC_GEN_LAST SOLE (no-old-blame): a reset changes atc_gen after fence.gen
 *  EARLY_SKIP (no-escape): a flush looks for FENCED before its CMD_TLBI has completed
 *  UNASKED SOLE (no-escape): an attach sets EATS without asking the device
 *  LATE_ASK SOLE (no-escape): an attach asks the device after it has set EATS
 *  LIFT_LATE SOLE (usable-again): the fence is lifted after the attach
 *
 * Known:
 *  UNLISTED (no-escape): a second master, and a flush whose array does not have it
 */

mtype = { OK, FENCING, FENCED };
mtype = { ATC_INV, ATC_INV_ALL, CFGI_STE, TLBI };
mtype = { WAIT, DONE, ETIMEDOUT };

bool lifting;				/* has fence.lock */
mtype state = OK;
byte gen, atc_gen;
bool listed;				/* in the domain's array of invalidations */

bool eats;				/* in the STE */
#define NONE	2
byte cached = NONE;			/* EATS that the SMMU goes by */
bool pte = true, tlb;			/* of the page of flush 0 */

chan cmdq = [3] of { mtype, byte };
mtype result[3] = WAIT;

bool atc;				/* has that page */
#ifdef UNLISTED
bool ats_on;				/* pci_enable_ats(): it keeps to that */
#define ASKS	ats_on
#else
#define ASKS	true
#endif

bool returned;				/* flush 0 has */
byte epoch, lifted;			/* resets of the device; those that lifted */
byte failed[3];				/* epoch that the last failure is from */
bool reset_ok, failed_since;
byte done;

inline no_escape()
{
	assert(!(returned && atc && (cached == NONE -> eats : cached)))	/* no-escape */
}

proctype Hardware()
{
	mtype what;
	byte n;

end:	do
	:: atomic {
		nempty(cmdq) ->
			cmdq ? what, n;
			result[n] = DONE;
			if
			:: what == CFGI_STE -> cached = NONE
			:: what == TLBI -> tlb = false
			:: what == ATC_INV -> atc = atc && n != 0
			:: what == ATC_INV_ALL -> atc = false
			:: what == ATC_INV || what == ATC_INV_ALL ->
				failed[n] = epoch;
				failed_since = true;
				result[n] = ETIMEDOUT
			fi;
			what = 0; n = 0
	   }
	:: d_step { cached == NONE -> cached = eats; no_escape() }
	/* A translation request, answered from the IOTLB or the page table */
	:: d_step {
		ASKS && cached == 1 && (pte || tlb) && !atc ->
			tlb = true;
			atc = true;
			no_escape()
	   }
#if !defined(SOLE) || defined(UNLISTED)
	/* An untranslated access of another master in the domain */
	:: d_step { pte && !tlb -> tlb = true }
#endif
	od
}

inline issue(what)
{
	cmdq ! what, n;
	d_step { result[n] != WAIT -> ret = result[n]; result[n] = WAIT }
}

/* arm_smmu_atc_fence(): what is done under the lock is one step */
inline fence()
{
	d_step {
		!lifting ->
			if
#ifndef NO_GEN_CHECK
			:: gen != my_gen -> ret = WAIT
#endif
#ifdef NO_GEN_CHECK
			:: state != FENCED ->
#else
			:: gen == my_gen && state != FENCED ->
#endif
				assert(state != OK || failed[n] >= lifted); /* no-old-blame */
				state = FENCING;
				eats = false;
				ret = DONE
			:: else -> ret = ETIMEDOUT
			fi
	}
	if
	:: ret == WAIT -> goto again
	:: ret == ETIMEDOUT -> goto out
	:: ret == DONE
	fi;
	issue(CFGI_STE);
	d_step {
		!lifting ->
			if
#ifdef NO_GEN_RECHECK
			:: state == FENCING -> state = FENCED
#else
			:: state == FENCING && gen == my_gen -> state = FENCED
#endif
			:: else
			fi
	}
}

/* arm_smmu_atc_lift(): in steps, since not all who look have the lock */
inline lift()
{
#ifndef LIFT_ATC_GEN_LAST
	atc_gen++;
#endif
#ifdef LIFT_GEN_FIRST
	gen++;
#endif
	d_step { lifting = true; state = OK; lifted = epoch }
	d_step {
#if !defined(NO_GEN) && !defined(LIFT_GEN_FIRST)
		gen++;
#endif
		lifting = false
	}
#ifdef LIFT_ATC_GEN_LAST
	atc_gen++;
#endif
}

/* arm_smmu_install_ste_for_dev() */
inline attach()
{
	d_step { !lifting -> eats = (state == OK) }
	issue(CFGI_STE)
}

proctype Cpu(byte n)
{
	byte my_gen, batch_gen;
	bool alone, attached;
	mtype what, ret;

	what = ATC_INV;
	if
	:: n == 0 -> goto flush
	:: n == 1 -> goto look
	:: n == 2 -> goto reset
	fi;

flush:	/* arm_smmu_domain_inv_range() */
	pte = false;
#if defined(SOLE) || defined(UNLISTED)
	if
	:: true			/* an array from before it was blocked */
	:: !listed ->
#ifdef UNLISTED
		issue(TLBI);
#endif
		goto out
	fi;
#endif
#ifdef EARLY_SKIP
	if
	:: state == FENCED -> issue(TLBI); goto out
	:: else
	fi;
#endif
	issue(TLBI);

look:	/* arm_smmu_atc_is_fenced() */
	if
	:: state == FENCED -> goto out
	:: else
	fi;

	/* arm_smmu_cmdq_batch_issue() */
	batch_gen = atc_gen;
	if
	:: alone = true
	:: alone = false
	fi;
	issue(what);
#ifdef LATE_BATCH_GEN
	batch_gen = atc_gen;
#endif
	if
	:: ret == DONE -> goto out
	:: else
	fi;

again:	/* arm_smmu_atc_recover_sid() */
	my_gen = gen;
	if
	:: state == OK ->
		if
#ifdef NO_ATC_GEN
		:: alone -> goto blamed
#else
		:: alone && atc_gen == batch_gen -> goto blamed
#endif
		:: else
		fi;
		issue(what);
#ifdef LATE_GEN
		my_gen = gen;
#endif
		if
		:: ret == DONE -> goto out
		:: else
		fi
	:: state == FENCING
	:: state == FENCED -> goto out
	fi;
blamed:	fence();
	goto out;

reset:	/* Blocked by pci_dev_reset_iommu_prepare(); the reset works or not */
	if
	:: d_step { atc = false; epoch++; failed_since = false; reset_ok = true }
	/* As far as the kernel knows: not every method empties the ATC */
	:: d_step { epoch++; failed_since = false; reset_ok = true }
	:: true
	fi;

	/* pci_dev_reset_iommu_done(): arm_smmu_atc_reset_done(), attach again */
#ifndef LIFT_LATE
	if
	:: reset_ok -> lift()
	:: else
	fi;
#endif
	/* arm_smmu_attach_prepare(): arm_smmu_atc_inv_master() */
	listed = true;
#ifdef LATE_ASK
	attach();
#endif
#ifdef UNASKED
	goto out;
#else
	what = ATC_INV_ALL;
	goto look;
#endif

out:	if
	:: n == 2 && !attached ->
#ifndef LATE_ASK
		attach();
#endif
#ifdef LIFT_LATE
		if
		:: reset_ok -> lift()
		:: else
		fi;
#endif
		attached = true;
		what = ATC_INV;
		goto look
	:: else
	fi;
	d_step {
		my_gen = 0; batch_gen = 0; alone = false; attached = false; ret = 0; what = 0; failed[n] = 0;
		returned = returned || n == 0;
		no_escape();
#ifdef UNLISTED
		ats_on = ats_on || (n == 2 && state == OK);
#endif
		done++;
		if
		:: done == 3 && reset_ok && !failed_since ->
			assert(state == OK && eats)	/* usable-again */
		:: else
		fi
	}
}

init
{
	atomic {
		if
		:: true
		:: atc = true; state = FENCED
		fi;
		run Hardware();
		run Cpu(0);
#ifdef SOLE
		done = 1;
#else
		run Cpu(1);
#endif
		run Cpu(2)
	}
}
