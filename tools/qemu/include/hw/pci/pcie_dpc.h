/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI Express Downstream Port Containment
 */

#ifndef QEMU_PCIE_DPC_H
#define QEMU_PCIE_DPC_H

/* The registers of a port as they were before a write */
typedef struct PCIEDPCRegs {
    uint16_t ctl;
    uint16_t sta;
} PCIEDPCRegs;

/**
 * pcie_dpc_init: add the capability to a root port or a downstream port
 *
 * @dev: the port; it has a slot (pcie_cap_slot_init()).
 * @offset: of the capability in configuration space.
 */
void pcie_dpc_init(PCIDevice *dev, uint16_t offset);

/**
 * pcie_dpc_reset: end the containment, without a reset of what is below
 *
 * @dev: the port. A port without the capability is ignored.
 *
 * Call it before pcie_cap_slot_reset(), which powers the functions below on.
 */
void pcie_dpc_reset(PCIDevice *dev);

/**
 * pcie_dpc_get: keep the registers, for pcie_dpc_write_config()
 *
 * @dev: the port. A port without the capability gives zeros.
 */
PCIEDPCRegs pcie_dpc_get(const PCIDevice *dev);

/**
 * pcie_dpc_write_config: do what a write to configuration space asks for
 *
 * @dev: the port, whose registers are written. A port without the capability
 * is ignored.
 * @old: the registers as they were before.
 *
 * Call it after the functions for other capabilities: all of them share the
 * port's INTx.
 */
void pcie_dpc_write_config(PCIDevice *dev, PCIEDPCRegs old);

/**
 * pcie_dpc_triggered: tell whether a port is in containment
 *
 * @dev: the port, or any function.
 */
bool pcie_dpc_triggered(const PCIDevice *dev);

/**
 * pcie_dpc_contained: tell whether a function is below a port in containment
 *
 * @dev: the function. No message to or from it passes the port.
 */
bool pcie_dpc_contained(const PCIDevice *dev);

#endif
