/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Race 1 of the design: the fence of a flush against the attach that writes the
 * same STE. Mirrors arm_smmu_atc_fence(), arm_smmu_atc_clear_eats(),
 * arm_smmu_atc_sync_stes(), arm_smmu_atc_set_ste_qword() of arm-smmu-v3-atc.c,
 * and arm_smmu_write_entry() with what it calls, for STEs, of arm-smmu-v3.c.
 *
 *	flush			attach				SMMU
 *
 *	CMD_ATC_INV fails	target, with or without EATS	fetches a word of
 *	FENCING, EATS = 0	up to 3 passes of up to 3	the STE at any time
 *	CFGI_STE, SYNC		  words, each pass in any	and uses it
 *	FENCED			  order, then CFGI_STE, SYNC	until a CFGI_STE
 *	return
 *
 * Other models have several flushes (helping.pml), resets (reset.pml), and the
 * order in which other CPUs see loads and stores (order.h), but for the stores of
 * a pass, which are here. A CMD_SYNC completes when the SMMU has executed the
 * command before it.
 *
 * Properties:
 *  no-escape	 after the return no Translated write passes (I1, I4, H2)
 *  no-lost-word in the end the STE is the target of the attach, except for EATS (I4)
 *  no-stale-ste in the end the SMMU uses the STE in memory
 *  never-torn	 the SMMU uses the old STE, the new STE or an invalid STE
 *
 * Mutants:
 *  ATTACH_NO_LOCK (no-escape): the attach reads the state and stores without the lock
 *  ATTACH_RECHECK (no-escape): as before, but the attach reads the state again after the store and clears EATS
 *  ATTACH_NO_MASK (no-escape): the attach does not read the state
 *  ATTACH_EARLY_MASK (no-escape): EATS is left out of the target only, before the first pass
 *  FENCE_NO_LOCK (no-escape): the fence marks and clears without the lock
 *  FENCE_LATE_MARK (no-escape): the state becomes FENCING only after the lock was dropped
 *  FENCE_PLAIN_CLEAR (never-torn): neither takes the lock, and the fence clears EATS by load and store
 *  FENCE_NO_CFGI (no-escape): the fence does not send CMD_CFGI_STE
 *  FENCE_IGNORES_EIO (no-escape): the fence treats -EIO as success
 *  FENCE_NO_WAIT (no-escape): the fence does not wait for its CMD_SYNC
 */

#if defined(ATTACH_RECHECK) || defined(FENCE_PLAIN_CLEAR)
#define ATTACH_NO_LOCK
#endif
#ifdef FENCE_PLAIN_CLEAR
#define FENCE_NO_LOCK
#endif

/*
 * The bits of an STE that matter here, each in its word: W0 to W2 are the units
 * of what the CPU stores and the SMMU loads. W2 stands for words 2 and 3.
 */
#define V	1
#define NABORT	2		/* Config[2] */
#define S1	4		/* Config[0] */
#define S2	8		/* Config[1] */
#define CTX	16		/* one bit of S1ContextPtr */
#define W0	31
#define EATS	32
#define S1CIR	64
#define SHCFG	128
#define S2FWB	256
#define BYP	512		/* S1DSS == BYPASS */
#define W1	992
#define S2VMID	1024
#define S2TTB	2048
#define W2	3072
#define ALL	4095

mtype = { OK, FENCING, FENCED };
mtype = { IDLE, QUEUED, DONE, FAILED };

bool locked;
mtype state = OK;
short ste, old, target;

mtype cmd[2] = IDLE;		/* CFGI_STE and CMD_SYNC of flush and attach */
short have, cache;		/* the words that the SMMU has fetched */

bool returned;			/* the flush has */
byte done;

inline lock()	{ atomic { !locked -> locked = true } }
inline unlock()	{ locked = false }

/* arm_smmu_get_ste_used() */
inline get_used(s, used)
{
	used = V;
	if
	:: s & V ->
		used = used | NABORT | S1 | S2;
		if
		:: s & S1 ->
			used = used | CTX | S1CIR | BYP | EATS | S2VMID;
			used = used | (s & BYP -> SHCFG : 0)
		:: else
		fi;
		if
		:: s & S2 ->
			used = used | S2FWB | EATS | SHCFG | S2VMID | S2TTB
		:: else
		fi;
		if
		:: (s & (NABORT | S1 | S2)) == NABORT -> used = used | SHCFG
		:: else
		fi
	:: else
	fi
}

/* abort, bypass, S1 of either CD table, S1 with S1DSS bypass, S2, nested */
inline any_ste(s)
{
	if
	:: s = V
	:: s = V | NABORT | SHCFG
	:: s = V | NABORT | S1 | S1CIR
	:: s = V | NABORT | S1 | CTX | S1CIR
	:: s = V | NABORT | S1 | S1CIR | BYP | SHCFG
	:: s = V | NABORT | S2 | SHCFG | S2FWB | S2VMID | S2TTB
	:: s = V | NABORT | S1 | S2 | S1CIR | SHCFG | S2VMID | S2TTB
	fi;
	if
	:: s & (S1 | S2) -> s = s | EATS
	:: true
	fi
}

#define HAVE(words)	((have & (words)) == (words))
#define TRANSLATED_PASSES \
	(HAVE(W0 | W1) && (cache & V) && (cache & (S1 | S2)) && (cache & EATS))

inline no_escape()
{
	assert(!(returned && TRANSLATED_PASSES))	/* no-escape */
}

/* The SMMU ignores what is not used, and a fence may have taken EATS */
inline never_torn()
{
	if
	:: HAVE(ALL) && (cache & V) ->
		get_used(cache, used);
		cache = cache & used;
		used = used & ~EATS;
		assert(!((cache ^ old) & used) || !((cache ^ target) & used)); /* never-torn */
		used = 0
	:: else
	fi
}

inline fetch(word)
{
	d_step {
		!HAVE(word) ->
			cache = cache | (ste & word);
			have = have | word;
			no_escape();
			never_torn()
	}
}

inline cfgi_ste(i)
{
	d_step { cmd[i] == QUEUED -> have = 0; cache = 0; cmd[i] = DONE }
}

proctype Smmu()
{
	short used;

end:	do
	:: fetch(W0)
	:: fetch(W1)
	:: fetch(W2)
	:: cfgi_ste(0)
	:: cfgi_ste(1)
	/* An error at CMD_CFGI_STE, which was replaced by a CMD_SYNC: -EIO */
	:: d_step { cmd[0] == QUEUED -> cmd[0] = FAILED }
	od
}

inline finish()
{
	d_step {
		done++;
		if
		:: done == 2 ->
			assert(ste == (state == OK -> target : target & ~EATS)); /* no-lost-word */
			assert(!((cache ^ ste) & have & (cache & V -> EATS | W0 : V))) /* no-stale-ste */
		:: else
		fi
	}
}

proctype Flush()
{
	short word;

	/* arm_smmu_atc_fence(), after a CMD_ATC_INV that was not answered */
#ifndef FENCE_NO_LOCK
	lock();
#endif
#ifndef FENCE_LATE_MARK
	state = FENCING;
#endif
	/* arm_smmu_atc_clear_eats() */
	word = ste & W1;
	if
#ifndef FENCE_PLAIN_CLEAR
	:: true ->		/* coherent: try_cmpxchg64() */
		do
		:: d_step { (ste & W1) == word -> ste = ste & ~EATS }; break
		:: d_step { (ste & W1) != word -> word = ste & W1 }
		od
#endif
#if !(defined(FENCE_NO_LOCK) || defined(ATTACH_NO_LOCK)) || defined(FENCE_PLAIN_CLEAR)
	:: true ->		/* not coherent */
		ste = (ste & ~W1) | (word & ~EATS)
#endif
	fi;
	word = 0;
#ifndef FENCE_NO_LOCK
	unlock();
#endif
#ifdef FENCE_LATE_MARK
	state = FENCING;
#endif

	/* arm_smmu_atc_sync_stes() */
#ifndef FENCE_NO_CFGI
	do
	:: true ->
		cmd[0] = QUEUED;
#ifdef FENCE_NO_WAIT
		break
#else
		if
		:: cmd[0] == DONE -> break
#ifdef FENCE_IGNORES_EIO
		:: cmd[0] == FAILED -> break
#else
		:: cmd[0] == FAILED
#endif
		fi
#endif
	od;
#endif
	lock();
	state = FENCED;
	unlock();
	d_step { returned = true; no_escape() }
	finish()
}

/* arm_smmu_ste_writer_set_qword(), and for word 1 arm_smmu_atc_set_ste_qword() */
inline set_qword(w)
{
	if
	:: w == W1 ->
#ifndef ATTACH_NO_LOCK
		lock();
#endif
		word = value & W1;
#if !defined(ATTACH_NO_MASK) && !defined(ATTACH_EARLY_MASK)
		if
		:: state != OK -> word = word & ~EATS
		:: else
		fi;
#endif
		if
		:: (ste & W1) != word ->
			ste = (ste & ~W1) | word;
			changed = true
		:: else
		fi;
#ifdef ATTACH_RECHECK
		if
		:: (word & EATS) && state != OK -> ste = ste & ~EATS
		:: else
		fi;
#endif
		word = 0;
#ifndef ATTACH_NO_LOCK
		unlock()
#endif
	:: w != W1 && ((ste ^ value) & w) ->
		ste = (ste & ~w) | (value & w);
		changed = true
	:: w != W1 && !((ste ^ value) & w)
	fi
}

proctype Attach()
{
	short unused, cur_used, used, diff, value, word, w, pass[3];
	bool changed;
	byte n;

#ifdef ATTACH_EARLY_MASK
	if
	:: state != OK -> target = target & ~EATS
	:: else
	fi;
#endif

	/* arm_smmu_entry_qword_diff(): the fence may change EATS meanwhile */
	d_step {
		get_used(ste, cur_used);
		get_used(target, used);
		cur_used = cur_used & ~(EATS & used & cur_used)
	}
	d_step {
		unused = (ste & cur_used) | (target & ~cur_used);
		diff = (unused & used) ^ target;
		diff = (diff & W0 -> W0 : 0) | (diff & W1 -> W1 : 0) |
		       (diff & W2 -> W2 : 0);
		cur_used = 0;
		used = 0
	}

	/* arm_smmu_write_entry() */
	if
	:: diff == W0 || diff == W1 || diff == W2 ->
		unused = (unused & ~diff) | (ste & diff);
		pass[0] = ALL; pass[1] = diff; pass[2] = ALL
	:: diff && diff != W0 && diff != W1 && diff != W2 ->
		unused = 0;
		pass[0] = W0; pass[1] = W1 | W2; pass[2] = W0
	:: !diff ->
		pass[2] = ALL
	fi;
	do
	:: n < 3 ->
		/* entry_set(): the stores become visible in any order */
		value = (n == 0 -> unused : target);
		do
		:: pass[n] ->
			if
			:: pass[n] & W0 -> w = W0
			:: pass[n] & W1 -> w = W1
			:: pass[n] & W2 -> w = W2
			fi;
			set_qword(w);
			pass[n] = pass[n] & ~w
		:: !pass[n] -> break
		od;
		if
		:: changed -> changed = false; cmd[1] = QUEUED; cmd[1] == DONE
		:: else
		fi;
		n++
	:: n == 3 -> break
	od;
	finish()
}

init
{
	atomic {
		any_ste(old);
		ste = old;
		any_ste(target);
		run Smmu();
		run Flush();
		run Attach()
	}
}
