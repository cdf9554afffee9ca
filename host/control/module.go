package control

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// Module is one module as it is shown.
type Module struct {
	Name           string   `json:"name"`
	Version        string   `json:"version"`
	SHA256         string   `json:"sha256"`
	State          string   `json:"state"` // stopped, starting, running, waiting, failed or accept
	Reason         *string  `json:"reason"`
	Message        string   `json:"message"`
	Remedy         string   `json:"remedy"`
	PID            int      `json:"pid"` // 0 where no process runs
	RSSBytes       uint64   `json:"rss_bytes"`
	Restarts       int      `json:"restarts"`
	Sandbox        string   `json:"sandbox"` // full, partial or none
	Configurations []string `json:"configurations"`
	Tunnels        []string `json:"tunnels"`
	Pending        *Face    `json:"pending"` // the binary that waits for acceptance, null where none does
}

// Acceptance is what `module accept` changed.
type Acceptance struct {
	Name   string `json:"name"`
	Before Face   `json:"before"`
	After  Face   `json:"after"`
}

func moduleOf(m ModuleStatus) Module {
	return Module{
		Name: string(m.Name), Version: m.Version, SHA256: m.SHA256, State: m.State, Reason: reasonOf(m.Reason),
		Message: m.Message, Remedy: m.Remedy, PID: m.PID, RSSBytes: residentBytes(m.PID), Restarts: m.Restarts,
		Sandbox: m.Sandbox, Configurations: []string{}, Tunnels: []string{}, Pending: m.Pending,
	}
}

// residentBytes is the memory the process holds, 0 where that cannot be told.
func residentBytes(pid int) uint64 {
	if pid <= 0 {
		return 0
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}
