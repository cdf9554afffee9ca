package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestRevText(t *testing.T) {
	for _, rev := range []Rev{{}, RevAt(1), RevAt(1<<64 - 1)} {
		if got, err := ParseRev(rev.String()); err != nil || got != rev {
			t.Errorf("%v was read back as %v, %v", rev, got, err)
		}
	}
	for _, text := range []string{"", "-1", "+1", " 1", "1x", "0x1", "18446744073709551616"} {
		if rev, err := ParseRev(text); err == nil {
			t.Errorf("%q was read as %v", text, rev)
		}
	}
}

func TestRevOrder(t *testing.T) {
	if old, young := RevAt(9), RevAt(10); !young.After(old) || !old.Less(young) || old.After(young) || young.Less(old) || old.After(old) || old.Less(old) {
		t.Error("9 and 10 are in the wrong order")
	}
}

func TestDamagedErrorNamesItsRecordQuoted(t *testing.T) {
	err := fmt.Errorf("list: %w", &DamagedError{Key: "a\x1b[2J", Reason: "why"})
	var damaged *DamagedError
	if !errors.Is(err, ErrDamaged) || errors.Is(err, ErrGone) || !errors.As(err, &damaged) || damaged.Key != "a\x1b[2J" {
		t.Errorf("%#v", err)
	}
	if text := err.Error(); !strings.Contains(text, `"a\x1b[2J"`) {
		t.Errorf("the text is %q", text)
	}
	if text := (&DamagedError{Reason: "why"}).Error(); text != "damaged: why" {
		t.Errorf("without a key the text is %q", text)
	}
}
