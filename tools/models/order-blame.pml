/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The barriers that keep a failure from before a reset from fencing the device after
 * it (race 9, H3): arm_smmu_cmdq_batch_init_cmd(), arm_smmu_atc_recover_sid(),
 * arm_smmu_atc_blame_is_exact() and arm_smmu_atc_fence() against arm_smmu_atc_lift().
 * The other steps are in reset.pml, the rules of arm64 in order.h.
 *
 *	flush					reset
 *
 *	BATCH	atc_gen		(acquire)	RESET	the reset of the device is over
 *	SEND	CMD_ATC_INV			ATC_GEN	atc_gen++	(full)
 *	SYNC	it failed			LOCK
 *	RMB	dma_rmb()			STATE	state = OK
 *	GEN	fence.gen	(acquire)	GEN	fence.gen++	(release)
 *	STATE	fence.state			UNLOCK
 *	NOW	atc_gen
 *	AGAIN	CMD_ATC_INV, unless blamed
 *	SYNC2	it failed
 *	RMB2
 *	LOCK, GEN2, MARK: if nothing has changed FENCING
 *
 * Properties:
 *  no-old-blame no fence for a CMD_ATC_INV from before the reset
 *  no-deadlock  the named orders do not contradict each other
 *
 * Mutants:
 *  BATCH_RELAXED (no-old-blame): batch.atc_gen is loaded by atomic_read()
 *  GEN_RELAXED (no-old-blame): fence.gen is loaded by READ_ONCE()
 *  GEN_STORE_RELAXED (no-old-blame): fence.gen is stored by WRITE_ONCE()
 *  NO_FENCE_LOCK (no-old-blame): the fence compares fence.gen without the lock
 */

#include "order.h"

mtype = { OK, FENCING };

mtype state = OK;
bool gen, atc_gen, locked;
bool epoch, lifted;			/* the device was reset; and the fence lifted */
bool sent[2], ended[2], failed_in[2];	/* the commands; epoch that they failed in */

/* The device answers neither: otherwise nothing of this happens */
proctype Smmu()
{
end:	do
	:: d_step { sent[0] && !ended[0] -> ended[0] = true; failed_in[0] = epoch }
	:: d_step { sent[1] && !ended[1] -> ended[1] = true; failed_in[1] = epoch }
	od
}

#define BATCH	0
#define SEND	1
#define SYNC	2
#define RMB	3
#define GEN	4
#define STATE	5
#define NOW	6
#define AGAIN	7
#define SYNC2	8
#define RMB2	9
#define LOCK	10
#define GEN2	11
#define MARK	12

#ifdef BATCH_RELAXED
#define BATCH_THEN	true
#else
#define BATCH_THEN	did(BATCH)
#endif
#ifdef GEN_RELAXED
#define GEN_THEN	true
#else
#define GEN_THEN	did(GEN)
#endif

/* What the branches go by is loaded by then: control dependencies, to stores only */
#define BLAMED	(alone && now == batch)
#define RETRIES	(did(STATE) && my_state == OK && !(alone && did(NOW) && BLAMED) && \
		 (!alone || did(NOW)))
#define FENCES	(did(STATE) && (my_state == FENCING || (alone && did(NOW) && BLAMED) || \
				did(SYNC2)))

inline mark()
{
	if
	:: gen2 == my_gen && state == OK ->
		assert((did(AGAIN) -> failed_in[1] : failed_in[0]) >= lifted);	/* no-old-blame */
		state = FENCING
	:: else
	fi
}

proctype Flush()
{
	short done;
	bool alone, batch, my_gen, now, gen2;
	mtype my_state;

	if
	:: alone = true
	:: true
	fi;
	do
	EVENT(BATCH, true, batch = atc_gen)
	EVENT(SEND, BATCH_THEN, sent[0] = true)
	EVENT(SYNC, did(SEND) && BATCH_THEN && ended[0], skip)
	EVENT(RMB, did(SYNC) && did(BATCH), skip)
	EVENT(GEN, did(RMB), my_gen = gen)
	EVENT(STATE, did(RMB) && GEN_THEN, my_state = state)
	EVENT(NOW, did(RMB) && GEN_THEN, now = atc_gen)
	EVENT(AGAIN, did(RMB) && GEN_THEN && RETRIES, sent[1] = true)
	EVENT(SYNC2, did(AGAIN) && ended[1], skip)
	EVENT(RMB2, did(SYNC2) && did(GEN) && did(NOW), skip)
#ifdef NO_FENCE_LOCK
	EVENT(GEN2, FENCES && did(GEN) && (!did(AGAIN) || did(RMB2)), gen2 = gen)
	EVENT(MARK, FENCES && did(GEN2), mark())
#else
	EVENT(LOCK, GEN_THEN && FENCES && (!did(AGAIN) || did(RMB2)) && !locked, locked = true)
	EVENT(GEN2, did(LOCK) && did(GEN), gen2 = gen)
	EVENT(MARK, did(LOCK) && did(GEN2), mark())
#endif
	:: did(MARK) -> break
	od;
#ifndef NO_FENCE_LOCK
	locked = false
#endif
}

#define R_RESET		0
#define R_ATC_GEN	1
#define R_LOCK		2
#define R_STATE		3
#define R_GEN		4
#define R_UNLOCK	5

proctype Reset()
{
	byte done;

	do
	EVENT(R_RESET, true, epoch = true)
	EVENT(R_ATC_GEN, did(R_RESET), atc_gen = true)
	EVENT(R_LOCK, did(R_ATC_GEN) && !locked, locked = true)
	EVENT(R_STATE, did(R_LOCK), state = OK; lifted = true)
#ifdef GEN_STORE_RELAXED
	EVENT(R_GEN, did(R_LOCK), gen = true)
#else
	EVENT(R_GEN, did(R_LOCK) && did(R_STATE), gen = true)
#endif
	EVENT(R_UNLOCK, did(R_STATE) && did(R_GEN), locked = false)
	:: did(R_UNLOCK) -> break
	od
}

init
{
	atomic {
		if
		:: true
		:: state = FENCING		/* another flush fences it */
		fi;
		run Smmu();
		run Flush();
		run Reset()
	}
}
