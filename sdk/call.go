package sdk

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Call is one action, or one run of a job, under way. Its steps are those of a test ([Steps.Do]) but last as long as they
// may; Progress is safe for concurrent use.
type Call struct {
	*Steps
	DryRun bool   // say what would change, and change nothing
	By     string // who asked, "operator:0", or tunnel.BySchedule

	arguments json.RawMessage
	tell      func(tunnel.ActReport)

	mu      sync.Mutex
	told    time.Time        // when progress was last told
	pending *tunnel.Progress // not told yet
}

// Read reads the action's arguments into a pointer to their struct, defaults filled in.
func (c *Call) Read(arguments any) error {
	if len(c.arguments) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.arguments, arguments); err != nil {
		return fmt.Errorf("read the arguments of the action: %w", err)
	}
	return nil
}

// progressEvery is how often progress is told. What is said meanwhile replaces what was said before.
const progressEvery = 200 * time.Millisecond

// Progress says how far it is, of being 0 while nobody knows: "120 of 3400 users". It may be called for every item.
func (c *Call) Progress(done, of int, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = &tunnel.Progress{Done: int64(done), Of: int64(of), Text: text}
	if time.Since(c.told) >= progressEvery {
		c.flushLocked()
	}
}

// flush tells what was not told yet.
func (c *Call) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushLocked()
}

func (c *Call) flushLocked() {
	if c.pending == nil {
		return
	}
	p := c.pending.Shown()
	c.pending, c.told = nil, time.Now()
	c.tell(tunnel.ActReport{Progress: &p})
}

// step tells a step, after the progress before it.
func (c *Call) step(s tunnel.TestStep) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushLocked()
	c.tell(tunnel.ActReport{Step: &s})
}

// relay tells what a job reports that was begun for this call.
func (c *Call) relay(r tunnel.ActReport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushLocked()
	c.tell(r)
}

// said reports whether anything was told.
func (c *Call) said() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending != nil || !c.told.IsZero() || len(c.done) > 0
}
