/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What arm64 lets other observers see of the order of one CPU's accesses. Spin
 * interleaves statements in program order, so a program is written here as a set of
 * events, each taken once, in any order that arm64 does not forbid:
 *
 *	EVENT(name, what has to come before it, what it does)
 *
 * arm64 is multi-copy atomic: a store is seen by all other observers at once, so
 * memory is flat and an event is one step. A load may be satisfied, and a store become
 * visible, before or after any other access of that CPU to another location, but for
 * what each event names:
 *
 *	acquire			everything behind it in program order comes after it
 *	release, unlock		it comes after everything in front of it
 *	unlock, then lock	in order (RCsc)
 *	dma_rmb()		loads in front, then it, then all accesses behind
 *	dma_wmb(), writel()	stores in front, then stores behind
 *	address, data		the load, then what depends on it
 *	control			the load, then stores that depend on it: no loads
 *	same location		in order
 *
 * Not covered: a load that takes its value from a store of its own CPU which is not
 * visible yet (no program here needs one), accesses of mixed size, what a compiler may
 * do (all of these are READ_ONCE(), WRITE_ONCE(), atomics or MMIO, or under a lock).
 */

#define did(e)		(done & (1 << (e)))
#define EVENT(e, after, what) \
	:: atomic { !did(e) && (after) -> what; done = done | (1 << (e)) }
