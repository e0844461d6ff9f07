# SPDX-License-Identifier: GPL-2.0-or-later
#
# The devices of the ATS bench, for --without-default-devices: the virt
# machine, ats-testdev, and the neighbours that share its SMMU. Not a set for
# anything else.

CONFIG_ARM_VIRT=y

# Buses below which a function can sit: root ports, switches
CONFIG_PCIE_PORT=y
CONFIG_XIO3130=y

# Neighbours: a device without ATS, real block and network drivers
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_NET=y
CONFIG_VIRTIO_RNG=y
CONFIG_VIRTIO_SERIAL=y
CONFIG_NVME_PCI=y
CONFIG_EDU=y

# The endpoint itself
CONFIG_ATS_TESTDEV=y
