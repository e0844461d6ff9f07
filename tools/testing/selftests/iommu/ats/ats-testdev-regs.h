/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of ats-testdev, an emulated PCIe endpoint with a faulty ATC.
 *
 * Shared by the device model in QEMU, its qtest, and the driver of the
 * selftest: nothing but #defines, so that each of them can include it.
 *
 * BAR 0 is one 4 KiB page of little-endian registers. 64-bit registers take
 * one 64-bit access or two 32-bit ones, low word first; the high word of a
 * write takes effect together with the low one of the same register, which is
 * why commands read their operands only when ATD_CMD is written.
 *
 * What this is not: a register layout of any real device.
 */
#ifndef ATS_TESTDEV_REGS_H
#define ATS_TESTDEV_REGS_H

#define ATD_VENDOR_ID			0x1234
#define ATD_DEVICE_ID			0x11ea
#define ATD_BAR_SIZE			0x1000

#define ATD_ID				0x000	/* ro, 32 bit: ATD_ID_MAGIC */
#define ATD_ID_MAGIC			0x44535441	/* "ATSD" */
#define ATD_VERSION			0x004	/* ro, 32 bit: 1 */

/*
 * Commands act at once, within the write: read ATD_RESULT after it.
 * Operands: ATD_ADDR, ATD_LEN, ATD_DATA, ATD_ATTR, ATD_PASID.
 */
#define ATD_CMD				0x008	/* wo, 32 bit */
#define ATD_CMD_ATC_FILL		1	/* translation requests for
						 * [ADDR, ADDR + LEN) fill the
						 * ATC
						 */
#define ATD_CMD_ATC_DROP		2	/* forget all ATC entries, also
						 * those of every PASID
						 */
#define ATD_CMD_WRITE			3	/* write DATA, 8 bytes, to ADDR */
#define ATD_CMD_READ			4	/* read 8 bytes from ADDR to DATA */
#define ATD_CMD_ATC_LOOKUP		5	/* DATA = translation of ADDR */
#define ATD_CMD_FAST_RESET		6	/* as FLR, at once, but only ATSCtl
						 * of configuration space is reset
						 */
#define ATD_CMD_CLEAR_COUNTERS		7
#define ATD_RESULT			0x00c	/* ro, 32 bit */
#define ATD_OK				0
#define ATD_E_DECODE			1	/* no such command */
#define ATD_E_ATS_OFF			2	/* ATSCtl.E = 0 */
#define ATD_E_MISS			3	/* not in the ATC */
#define ATD_E_DENIED			4	/* translation request refused */
#define ATD_E_FAULT			5	/* DMA aborted by the SMMU */
#define ATD_E_FULL			6	/* no room in the ATC */
#define ATD_E_PASID			7	/* PASID not enabled, or too wide */
#define ATD_E_SILENT			8	/* no bus mastering, or D3hot */
#define ATD_ADDR			0x010	/* rw, 64 bit */
#define ATD_LEN				0x018	/* rw, 64 bit, bytes */
#define ATD_DATA			0x020	/* rw, 64 bit */
/* How a DMA finds its address. Also in ATD_HAMMER_CTRL. */
#define ATD_ATTR			0x028	/* rw, 32 bit */
#define ATD_ATTR_UNTRANSLATED		0	/* AT = untranslated */
#define ATD_ATTR_ATC			1	/* through the ATC, AT = translated */
#define ATD_ATTR_RAW_TRANSLATED		2	/* ADDR as is, AT = translated: a
						 * rogue device
						 */

/*
 * The PASID of commands: of Translation Requests, of untranslated DMA, and of
 * the ATC entries that DMA through the ATC and look-ups use. Translated
 * requests carry none. ATD_HAMMER_PASID is the same for the hammer.
 */
#define ATD_PASID			0x02c	/* rw, 32 bit */
#define ATD_PASID_VALID			0x80000000u
#define ATD_PASID_MASK			0xfffffu

/* What the function does with an Invalidate Request */
#define ATD_INV_MODE			0x030	/* rw, 32 bit */
#define ATD_INV_ANSWER			0	/* drop the entries, answer */
#define ATD_INV_LATE			1	/* answer after ATD_INV_ARG us */
#define ATD_INV_NEVER			2	/* keep entries, never answer, also
						 * not after a reset
						 */
#define ATD_INV_NEVER_UNTIL_RESET	3	/* as NEVER; a reset selects ANSWER */
#define ATD_INV_LIE			4	/* answer but keep the entries */
#define ATD_INV_LOSSY			5	/* NEVER for ATD_INV_ARG of 1000 */
#define ATD_INV_STOP_AFTER		6	/* ANSWER ATD_INV_ARG times, then
						 * NEVER_UNTIL_RESET
						 */
#define ATD_INV_ARG			0x034	/* rw, 32 bit */

/*
 * The hammer: every ATD_HAMMER_PERIOD ns of virtual time it writes 8 bytes,
 * (ATD_HAMMER_PATTERN + number of the write), at offset 0 of the next 4 KiB
 * page of [ATD_HAMMER_ADDR, ATD_HAMMER_ADDR + ATD_HAMMER_LEN), round robin.
 */
#define ATD_HAMMER_CTRL			0x038	/* rw, 32 bit */
#define ATD_HAMMER_ENABLE		0x1u
#define ATD_HAMMER_ATTR_SHIFT		1	/* two bits, ATD_ATTR_* */
#define ATD_HAMMER_ATTR_MASK		(3u << ATD_HAMMER_ATTR_SHIFT)
/* On an ATC miss send a translation request */
#define ATD_HAMMER_REFILL		0x8u
#define ATD_HAMMER_PERIOD		0x03c	/* rw, 32 bit, ns, at least 1000 */
#define ATD_HAMMER_ADDR			0x040	/* rw, 64 bit */
#define ATD_HAMMER_LEN			0x048	/* rw, 64 bit, bytes, 4 KiB units */
#define ATD_HAMMER_PATTERN		0x050	/* rw, 64 bit */
#define ATD_HAMMER_PASID		0x05c	/* rw, 32 bit, as ATD_PASID */

/*
 * "The flush has returned": stores the time, zeroes the counters whose name
 * ends in _AFTER, and starts them. They count the hammer alone. Writing
 * ATD_MARK_STOP stops them; a new start begins at zero.
 */
#define ATD_MARK			0x058	/* wo, 32 bit */
#define ATD_MARK_STOP			0
#define ATD_MARK_START			1

/* Counters, ro, 64 bit. Times are ns of the virtual clock. */
#define ATD_TIME			0x100	/* now */
#define ATD_ACCEPTED			0x108	/* hammer writes that landed */
#define ATD_REFUSED			0x110	/* sent, aborted by the SMMU */
#define ATD_MISSED			0x118	/* not sent: no ATC entry */
#define ATD_ACCEPTED_AFTER		0x120
#define ATD_REFUSED_AFTER		0x128
#define ATD_MISSED_AFTER		0x130
#define ATD_MARK_TIME			0x138
#define ATD_FIRST_ACCEPTED_AFTER	0x140	/* time, 0: none */
#define ATD_LAST_ACCEPTED_AFTER		0x148	/* time, 0: none */
#define ATD_LAST_ACCEPTED		0x150	/* time, 0: none */
#define ATD_FIRST_REFUSED_AFTER		0x158	/* time, 0: none */
#define ATD_INV_RECEIVED		0x160
#define ATD_INV_ANSWERED		0x168
#define ATD_INV_IGNORED			0x170	/* never to be answered */
#define ATD_INV_PENDING			0x178	/* outstanding now, 0 to 32 */
#define ATD_ATC_ENTRIES			0x180	/* valid ATC entries now */
#define ATD_RESETS			0x188
#define ATD_ATC_FILLS			0x190	/* translation requests sent */
#define ATD_ATC_DENIED			0x198	/* of these, refused */
/*
 * Hammer writes that the function must not send: bus mastering is off, it is in
 * D3hot, its PASID is not enabled, or it is to use the ATC and ATS is disabled.
 * They show nothing about the IOMMU, and do not count as attempts.
 */
#define ATD_SILENT			0x1a0
#define ATD_SILENT_AFTER		0x1a8

#endif /* ATS_TESTDEV_REGS_H */
