package control

import (
	"testing"
	"time"
)

func TestRefusalsAreCountedNotListed(t *testing.T) {
	var r refusals
	at := time.Unix(1000, 0)
	listed := 0
	for range 100 {
		if due, silent := r.note("intruder", at); due {
			listed++
			if silent != "" {
				t.Errorf("silent %q", silent)
			}
		}
	}
	if listed != maxRefusals {
		t.Errorf("%d listed, not %d", listed, maxRefusals)
	}
	if due, _ := r.note("another", at); !due {
		t.Error("one module silences another")
	}
	due, silent := r.note("intruder", at.Add(time.Minute))
	if !due || silent != " (and 80 requests before, not listed)" {
		t.Errorf("a minute later: %t %q", due, silent)
	}
	if due, silent := r.note("intruder", at.Add(time.Minute)); !due || silent != "" {
		t.Errorf("then: %t %q", due, silent)
	}
}
