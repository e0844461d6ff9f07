/* SPDX-License-Identifier: GPL-2.0-only */
/* What the rule of this name has to find, and what it has to leave alone; not compiled */
int flr(struct pci_dev *dev)
{
	int ret = pci_dev_reset_iommu_prepare(dev);

	if (ret)
		return ret;
	ret = pci_dev_wait(dev, "FLR", 1000);
	pci_dev_reset_iommu_done(dev, ret);	/* hit */
	return ret;
}

int bus(struct pci_dev *dev, int rc)
{
	if (rc)
		pci_dev_reset_iommu_done(dev, rc);	/* hit */
	else
		pci_reset_iommu_done(dev, rc);
	return rc;
}

void pci_reset_iommu_done(struct pci_dev *dev, int result)
{
	pci_dev_reset_iommu_done(dev, result);
}
