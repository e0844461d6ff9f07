/* SPDX-License-Identifier: GPL-2.0-only */
/* What the rule of this name has to find, and what it has to leave alone; not compiled */
void plain(struct arm_smmu_device *smmu, u32 sid)
{
	struct arm_smmu_ste *ste = arm_smmu_get_step_for_sid(smmu, sid);

	ste->data[1] = 0;	/* hit */
}

void modify(struct arm_smmu_device *smmu, u32 sid, __le64 bits)
{
	struct arm_smmu_ste *ste;

	ste = arm_smmu_get_step_for_sid(smmu, sid);
	if (!ste)
		return;
	ste->data[1] &= ~bits;	/* hit */
}

void once(struct arm_smmu_device *smmu, u32 sid)
{
	struct arm_smmu_ste *ste = arm_smmu_get_step_for_sid(smmu, sid);

	WRITE_ONCE(ste->data[0], 0);	/* hit */
}

void at_once(struct arm_smmu_device *smmu, u32 sid)
{
	arm_smmu_get_step_for_sid(smmu, sid)->data[0] = 0;	/* hit */
}

void clear(struct arm_smmu_device *smmu, u32 sid)
{
	struct arm_smmu_ste *ste = arm_smmu_get_step_for_sid(smmu, sid);

	memset(ste, 0, sizeof(*ste));	/* hit */
}

/* On the stack, or through the functions that know of the fence */
void target(struct arm_smmu_master *master, u32 sid)
{
	struct arm_smmu_ste *ste = arm_smmu_get_step_for_sid(master->smmu, sid);
	struct arm_smmu_ste new = {};

	new.data[0] = ste->data[0];
	new.data[1] |= 1;
	arm_smmu_write_ste(master, sid, ste, &new);
	ste = &new;
	ste->data[1] = 0;
}

void fence(struct arm_smmu_device *smmu, u32 sid)
{
	struct arm_smmu_ste *ste = arm_smmu_get_step_for_sid(smmu, sid);
	u64 old = le64_to_cpu(READ_ONCE(ste->data[1]));

	cmpxchg64_relaxed(&ste->data[1], old, old & ~1ULL);
}
