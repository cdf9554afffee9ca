package tunnel

import (
	"slices"
	"strings"
	"testing"
)

func TestADiagnosisIsBoundedAndEscaped(t *testing.T) {
	d := &Diagnosis{Cause: HeldByStranger}
	for range 100 {
		d.Evidence = append(d.Evidence, strings.Repeat("\x1b[2J", 1000))
		d.Fixes = append(d.Fixes, Fix{"\x07", "x\x1b"})
	}
	got := d.Cleaned()
	if len(got.Evidence) != MaxEvidence || len(got.Fixes) != MaxFixes {
		t.Errorf("%d lines of evidence, %d fixes", len(got.Evidence), len(got.Fixes))
	}
	for _, e := range got.Evidence {
		if strings.ContainsRune(e, 0x1b) || len(e) > maxEvidence+10 {
			t.Fatalf("not cleaned: %q", e)
		}
	}
	if f := got.Fixes[0]; f != (Fix{`\a`, `x\x1b`}) {
		t.Errorf("not cleaned: %+v", f)
	}
	if (*Diagnosis)(nil).Cleaned() != nil {
		t.Error("none became one")
	}
}

// TestALineToPasteIsWholeOrLeftOut: the key of 4096 bits that a line may hold, the longest line, and one too long.
func TestALineToPasteIsWholeOrLeftOut(t *testing.T) {
	key, longest := "ssh-rsa "+strings.Repeat("A", 716), strings.Repeat("x", maxFix)
	d := &Diagnosis{Fixes: []Fix{
		{"too long", longest + "x"}, {"too long escaped", longest[1:] + "\n"}, {"a key", key}, {"the longest", longest},
	}}
	got := d.Cleaned()
	if want := []Fix{{"a key", key}, {"the longest", longest}}; !slices.Equal(got.Fixes, want) {
		t.Errorf("got %+v", got.Fixes)
	}
	if again := got.Cleaned(); !slices.Equal(again.Fixes, got.Fixes) {
		t.Errorf("cleaned again: %+v", again.Fixes)
	}
}
