/* SPDX-License-Identifier: GPL-2.0-only */
/* What the rule of this name has to find, and what it has to leave alone; not compiled */
void ignored(struct arm_smmu_device *smmu, struct arm_smmu_cmdq_batch *cmds)
{
	arm_smmu_cmdq_issue_cmdlist(smmu, cmds->cmdq, cmds->cmds, cmds->num, true);	/* hit */
}

void in_a_branch(struct arm_smmu_device *smmu, struct arm_smmu_cmdq_batch *cmds)
{
	if (cmds->num)
		arm_smmu_cmdq_issue_cmdlist(smmu, cmds->cmdq, cmds->cmds, cmds->num, true);	/* hit */
}

int returned(struct arm_smmu_device *smmu, struct arm_smmu_cmdq_batch *cmds)
{
	int ret = arm_smmu_cmdq_issue_cmdlist(smmu, cmds->cmdq, cmds->cmds, cmds->num, true);

	if (ret)
		arm_smmu_atc_recover(smmu, cmds, ret);
	return arm_smmu_cmdq_issue_cmdlist(smmu, cmds->cmdq, cmds->cmds, cmds->num, true);
}

/* A CMD_SYNC alone carries no question */
void wait_for_others(struct arm_smmu_device *smmu, struct arm_smmu_cmdq *cmdq)
{
	arm_smmu_cmdq_issue_cmdlist(smmu, cmdq, NULL, 0, true);
}
