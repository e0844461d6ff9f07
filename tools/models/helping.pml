/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Race 2 of the design: the same master does not answer several flushes, one of
 * which runs in an interrupt of another (race 10). Mirrors
 * arm_smmu_atc_is_fenced(), arm_smmu_atc_recover_sid(), arm_smmu_atc_fence(),
 * arm_smmu_atc_sync_stes() and arm_smmu_atc_await_retry() of arm-smmu-v3-atc.c.
 *
 *	flush 0 (CPU 0)		flush 1 (interrupt	flush 2 (CPU 1)
 *				on CPU 0, anywhere)
 *	CMD_ATC_INV fails	CMD_ATC_INV fails	CMD_ATC_INV fails
 *	retrying = true					retrying: bare CMD_SYNC,
 *	retry fails		retrying: bare CMD_SYNC	  look again
 *	FENCING, EATS = 0	  (it cannot wait for
 *	CFGI_STE, SYNC		  flush 0, so it also	FENCING: the same steps
 *	FENCED			  retries)		FENCED
 *
 * The device may or may not answer each time. The batch of a flush may be for this
 * device alone or for others, too, and may fail because of the others. Flush 0 or 2
 * may stop for ever at any step, except with the lock or with slots in the queue:
 * no other flush may depend on it.
 *
 * Other models have the attach (attach.pml), the reset (reset.pml) and memory order
 * (order-*.pml). The queue is a channel of whole lists. All steps under the lock are
 * one step.
 *
 * Properties:
 *  no-escape	 no write through what a flush that has returned removed (I1, I5)
 *  only-guilty	 a device that has always answered is not fenced (I3)
 *  once	 FENCED is entered once (the log, nr_atc_fenced)
 *  in-time	 M flushes take at most M + 1 hardware timeouts (H5): see PROMPT
 *  no-deadlock	 each flush that did not stop returns (H4)
 *  no-livelock	 and does not try for ever
 *
 * Runs:
 *  PROMPT: the device never answers, and the CPUs are fast compared with its timeout
 *  LIVE: flush 0 and the interrupt alone; searches for endless repetition
 *
 * Mutants:
 *  SKIP_FENCING (no-escape): a flush leaves out the CMD_ATC_INV of a master that is FENCING
 *  TRUST_FENCING (no-escape): a flush that finds FENCING after a failure returns
 *  FENCED_EARLY (no-escape): FENCED is set before the CMD_SYNC has completed
 *  HELP_BY_MARK (no-escape): a flush that finds FENCING sets FENCED, but sends nothing
 *  TRUST_RETRY (no-escape): a flush that finds a retry in progress returns after the bare CMD_SYNC
 *  WAIT_FOR_FENCER (no-deadlock): a flush that finds FENCING waits for FENCED
 *  WAIT_FOR_RETRY LIVE (no-livelock): a flush that finds a retry in progress looks for its outcome without a limit
 *  BLAME_ALL (only-guilty): no retry if a batch of several devices failed
 *  TWICE (once): FENCED is set without reading the state again
 *  ALL_RETRY PROMPT (in-time): all flushes retry at the same time
 */

#define FLUSHES	3
#define LOOKS	1			/* bare CMD_SYNCs at most; the driver: 10 */
#ifdef PROMPT
#define HW	timeout &&
#define MOST	(FLUSHES + 1)
#define COUNT	1
#else
#define HW
#define MOST	0
#define COUNT	0
#endif

mtype = { OK, FENCING, FENCED };
mtype = { ATC_INV, CFGI_STE, SYNC };
mtype = { WAIT, DONE, ETIMEDOUT, EIO };
mtype = { NOT_YET, RUNS, OVER };

mtype state = OK;
bool retrying;
bool eats = true;			/* in the STE */

chan cmdq = [FLUSHES] of { mtype, byte };
mtype result[FLUSHES] = WAIT;
#define NONE	2
byte cached = NONE;			/* EATS that the SMMU goes by */

bool guilty;				/* the device: see only-guilty */
bool stale[FLUSHES] = true;		/* its ATC has what flush n removes */
bool others_fail[FLUSHES];		/* flush n's batch has another silent device */
bool retried[FLUSHES];
bool eio_left = true;
byte timeouts;

bool returned[FLUSHES];
bool entered;				/* FENCED */
mtype irq = NOT_YET;
bool halted;

#define ESCAPE(n) (returned[n] && stale[n] && (cached == NONE -> eats : cached))

inline set_fenced()
{
	assert(!entered);		/* once */
	entered = true;
	state = FENCED
}

proctype Smmu()
{
	mtype what;
	byte n;

end:	do
	:: atomic {
		HW nempty(cmdq) ->
			cmdq ? what, n;
			if
#ifndef PROMPT
			:: what == ATC_INV ->
				stale[n] = false;
				result[n] = (others_fail[n] -> ETIMEDOUT : DONE)
#endif
			:: what == ATC_INV ->
				guilty = true;
				result[n] = ETIMEDOUT;
				timeouts = timeouts + COUNT;
				assert(timeouts <= MOST)	/* in-time */
			:: what == CFGI_STE -> cached = NONE; result[n] = DONE
			/* It has been executed, and takes another one's error */
			:: what == CFGI_STE -> cached = NONE; result[n] = ETIMEDOUT
			:: what == SYNC -> result[n] = DONE
#ifndef PROMPT
			/* It was not executed */
			:: what != SYNC && eio_left ->
				eio_left = false;
				guilty = guilty || (what == ATC_INV && retried[n]);
				result[n] = EIO
#endif
			fi;
			what = 0; n = 0
	   }
	:: d_step { cached == NONE -> cached = eats }
	od
}

/* arm_smmu_cmdq_issue_cmdlist(), with IRQs off: no point() in here */
inline issue(what)
{
	cmdq ! what, n;
	d_step { result[n] != WAIT -> ret = result[n]; result[n] = WAIT }
}

/* The interrupt comes, or the CPU is not heard of again */
inline point()
{
#ifdef PROMPT
	skip
#else
	if
	:: n == 0 && irq == NOT_YET -> irq = RUNS; irq == OVER
	:: n != 1 && !halted -> halted = true; goto gone
	:: true
	fi
#endif
}

proctype Flush(byte n)
{
	bool alone, begun;
	byte looks;
	mtype ret;

#ifndef PROMPT
	if
	:: n == 1 ->
end_no_irq:	irq == RUNS
	:: else
	fi;
#endif

	/* The translation is gone and the CMD_TLBI complete: arm_smmu_atc_is_fenced() */
	if
#ifdef SKIP_FENCING
	:: state != OK -> goto out
#else
	:: state == FENCED -> goto out
#endif
	:: else
	fi;
	point();

	/* arm_smmu_cmdq_batch_issue() */
	if
	:: alone = true
#ifndef PROMPT
	:: others_fail[n] = true
#endif
	:: true
	fi;
	issue(ATC_INV);
	d_step {
		others_fail[n] = false;
		retried[n] = true;
#ifdef BLAME_ALL
		alone = true;
#endif
		alone = alone && ret == ETIMEDOUT
	}
	if
	:: ret == DONE -> goto out
	:: else -> ret = 0
	fi;

again:	/* arm_smmu_atc_recover_sid() */
	point();
	if
	:: state == OK && alone
	:: state == OK && !alone ->
#ifndef ALL_RETRY
		d_step {
			begun = !retrying;
			retrying = true
		}
		point();
		if
#ifdef WAIT_FOR_RETRY
		:: !begun ->
#else
		:: !begun && looks < LOOKS ->
			looks++;
#endif
			issue(SYNC);
#ifdef TRUST_RETRY
			goto out;
#endif
			goto again
		:: else
		fi;
#endif
		issue(ATC_INV);
		point();
		if
		:: ret == DONE -> retrying = false; goto out
		:: else -> ret = 0
		fi
#ifdef TRUST_FENCING
	:: state == FENCING -> goto out
#elif defined(WAIT_FOR_FENCER)
	:: state == FENCING -> state == FENCED
#elif defined(HELP_BY_MARK)
	:: state == FENCING -> goto mark
#else
	:: state == FENCING
#endif
	:: state == FENCED -> goto out
	fi;

	/* arm_smmu_atc_fence() */
	d_step {
		retrying = false;
		if
		:: state != FENCED ->
			assert(guilty);		/* only-guilty */
			state = FENCING;
			eats = false
		:: else
		fi
	}
	if
	:: state == FENCED -> goto out
	:: else
	fi;
	point();
#ifdef FENCED_EARLY
	if
	:: state == FENCING -> set_fenced()
	:: else
	fi;
	point();
#endif
	do
	:: issue(CFGI_STE);
	   if
	   :: ret == EIO
	   :: else -> ret = 0; break
	   fi
	od;
	point();
#ifdef HELP_BY_MARK
mark:	skip;
#endif
#ifdef TWICE
	d_step { set_fenced() }
#else
	d_step {
		if
		:: state == FENCING -> set_fenced()
		:: else
		fi
	}
#endif

out:	skip;
	d_step {
		returned[n] = true;
		assert(!ESCAPE(0) && !ESCAPE(1) && !ESCAPE(2));	/* no-escape */
		if
		:: n == 1 -> irq = OVER
		:: else
		fi
	}
gone:	skip;
	d_step {			/* fewer states */
		stale[n] = false; retried[n] = false;
		alone = false; begun = false; looks = 0; ret = 0
	}
}

init
{
	atomic {
		run Smmu();
		run Flush(0);
		run Flush(1)
#ifndef LIVE
		; run Flush(2)
#endif
	}
}
