package tunnel

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestFindingsMatchTheirSentinels(t *testing.T) {
	for code, want := range map[Code]error{
		Required: ErrInvalid, Malformed: ErrInvalid, OutOfRange: ErrInvalid, TooLong: ErrInvalid, UnknownKey: ErrInvalid, TooMany: ErrInvalid,
		PortCollision: ErrPortCollision, PolicyRefused: ErrPolicyRefused, NotOwner: ErrNotOwner, StaleRevision: ErrStaleRevision,
		Exists: ErrExists, NotFound: ErrNotFound, ManagedByModule: ErrManagedByModule,
	} {
		fs := Findings{{Code: code, Field: "f", Message: "m", WayOut: "w"}}
		err := fmt.Errorf("declare: %w", fs.Err())
		if !errors.Is(err, want) || errors.Is(err, ErrResync) {
			t.Errorf("%s does not match %v", code, want)
		}
		var got Findings
		if !errors.As(err, &got) || len(got) != 1 {
			t.Errorf("%s: the findings are lost", code)
		}
	}
	if err := (Findings)(nil).Err(); err != nil {
		t.Errorf("no findings are the error %v", err)
	}
}

func TestFindingsPlaces(t *testing.T) {
	fs := append(one(Malformed, "", "v", "m", "w"), find(Malformed, "port", "v", "m", "w"))
	expect(t, fs.In("server"), "malformed server v", "malformed server.port v")
	expect(t, fs.At("--server"), "malformed --server v", "malformed --server v")
	expect(t, fs, "malformed  v", "malformed port v")
	if got := fs[1].Error(); got != "port: m; w" {
		t.Errorf("got %q", got)
	}
}

func TestNotOwnerSaysTheSameEverywhere(t *testing.T) {
	f := NotOwnerFinding(Ref{"monitoring", "default.site"})
	if want := "not the owner: monitoring/default.site belongs to monitoring, and only monitoring can change it"; f.Message != want {
		t.Errorf("got %q", f.Message)
	}
	hostile := NotOwnerFinding(Ref{"a\x1b[2J", Name(strings.Repeat("x", 5000))})
	expect(t, Findings{hostile}, "not-owner tunnel "+hostile.Value)
}

func TestSecretNeverShows(t *testing.T) {
	c := Credential{LoginPassword, "canary", "canary", "canary", "canary"}
	text, err := json.Marshal(struct {
		Plain Secret
		In    Credential
		Map   map[string]Secret
	}{"canary", c, map[string]Secret{"a": "canary"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		string(text), fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %q %x", c, c, c, c, c, c), fmt.Sprintf("%s %q %x %X %v %#v", c.Password, c.Password,
			c.Password, c.Password, c.Password, c.Password), fmt.Sprint(&c.Password), fmt.Errorf("x: %v", c.Password).Error(),
	} {
		if strings.Contains(s, "canary") || strings.Contains(strings.ToLower(s), "63616e617279") {
			t.Errorf("a secret shows: %s", s)
		}
	}
	if c.Password.Reveal() != "canary" {
		t.Error("Reveal hides")
	}
	var back Secret
	if err := json.Unmarshal([]byte(`"canary"`), &back); err != nil || back.Reveal() != "canary" {
		t.Errorf("got %v", err)
	}
}
