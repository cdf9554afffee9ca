package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
)

// machineCollector makes the pbx_* series: how the machine is that the PBX runs on.
type machineCollector struct{ log hclog.Logger }

var (
	load       = desc("pbx_load", "Average length of the run queue over so many minutes.", "minutes")
	uptime     = desc("pbx_uptime_seconds", "Since the machine was started.")
	memory     = desc("pbx_memory_bytes", "Memory of the machine.")
	memoryLeft = desc("pbx_memory_available_bytes", "Memory that programs can still get without swapping.")
	disk       = desc("pbx_disk_bytes", "Size of the file system.", "path")
	diskLeft   = desc("pbx_disk_free_bytes", "What unprivileged programs can still write there.", "path")

	machineMetrics = []*prometheus.Desc{load, uptime, memory, memoryLeft, disk, diskLeft}
)

func (*machineCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range machineMetrics {
		ch <- d
	}
}

// Collect leaves out what cannot be read and logs why; the rest is served.
func (c *machineCollector) Collect(ch chan<- prometheus.Metric) {
	for what, collect := range map[string]func(chan<- prometheus.Metric) error{
		"load and uptime": collectSysinfo, "available memory": collectMemoryLeft, "disk": collectDisk,
	} {
		if err := collect(ch); err != nil {
			c.log.Debug("left out of a scrape", "what", what, "error", err)
		}
	}
}

// collectSysinfo asks the kernel directly, which works where /proc is closed to modules.
func collectSysinfo(ch chan<- prometheus.Metric) error {
	var s syscall.Sysinfo_t
	if err := syscall.Sysinfo(&s); err != nil {
		return err
	}
	for i, minutes := range []string{"1", "5", "15"} {
		ch <- gauge(load, float64(s.Loads[i])/(1<<16), minutes)
	}
	ch <- gauge(uptime, float64(s.Uptime))
	ch <- gauge(memory, float64(s.Totalram)*float64(s.Unit))
	return nil
}

func collectMemoryLeft(ch chan<- prometheus.Metric) error {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return err
	}
	defer f.Close()
	left, err := available(f)
	if err == nil {
		ch <- gauge(memoryLeft, left)
	}
	return err
}

// available reads MemAvailable, in bytes, from the text of /proc/meminfo.
func available(r io.Reader) (float64, error) {
	for lines := bufio.NewScanner(io.LimitReader(r, 64<<10)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[0] == "MemAvailable:" && fields[2] == "kB" {
			kb, err := strconv.ParseUint(fields[1], 10, 64)
			return float64(kb) * 1024, err
		}
	}
	return 0, fmt.Errorf("no MemAvailable in it")
}

func collectDisk(ch chan<- prometheus.Metric) error {
	const root = "/"
	var s syscall.Statfs_t
	if err := syscall.Statfs(root, &s); err != nil {
		return err
	}
	ch <- gauge(disk, float64(s.Blocks)*float64(s.Bsize), root)
	ch <- gauge(diskLeft, float64(s.Bavail)*float64(s.Bsize), root)
	return nil
}
