package directory

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

func TestObjectGUIDs(t *testing.T) {
	b, err := base64.StdEncoding.DecodeString("VX6Bj0APPUuj97OUNQE0Ww==") // of a real domain controller
	if err != nil {
		t.Fatal(err)
	}
	if got := guid(b); got != "8f817e55-0f40-4b3d-a3f7-b3943501345b" {
		t.Errorf("it is %s", got)
	}
	if got := guid(b[:15]); got != "" {
		t.Errorf("half of one is %s", got)
	}
}

func TestRelativeIdentifiers(t *testing.T) {
	sid := []byte{1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0} // S-1-5-32-544
	if got, ok := rid(sid); !ok || got != 544 {
		t.Errorf("it is %d, %v", got, ok)
	}
	for _, bad := range [][]byte{nil, sid[:15], append(slices.Clone(sid), 0), {1, 255, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0}} {
		if _, ok := rid(bad); ok {
			t.Errorf("% x is taken for one", bad)
		}
	}
}

func TestWhenAccountsExpire(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]bool{
		"": false, "0": false, "9223372036854775807": false, "never": false, "-1": false,
		"133485408000000000": true,  // 2024-01-01
		"139112640000000000": false, // 2041
	} {
		if got := expired(text, now); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestAttributesOfAnAccount(t *testing.T) {
	for _, c := range []struct {
		name, value string
		off         bool
	}{
		{"userAccountControl", "512", false}, {"userAccountControl", "514", true}, {"useraccountcontrol", "66050", true},
		{"userAccountControl", "528", false}, // the lock-out bit says nothing
		{"userAccountControl", "nonsense", false}, {"accountExpires", "133485408000000000", true}, {"pwdAccountLockedTime", "000001010000Z", true},
		{"pwdAccountLockedTime", "20260101000000Z", false},
	} {
		p := DefaultFields(ActiveDirectory).person(ldap.NewEntry("cn=x", map[string][]string{c.name: {c.value}}), time.Now())
		if p.Off() != c.off {
			t.Errorf("with %s=%s it is off: %v", c.name, c.value, p.Off())
		}
	}
}

func TestTextsAreOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"  Jo \t\r\n Doe  ": "Jo Doe", "a\x00b\x1b[31m\x7f": "ab[31m", "\u202egnp\u2066": "gnp", "\xff\xfeJo\xc3\x28": "Jo(", "Müßig": "Müßig", "\ufeff": "",
		strings.Repeat("ü", 300): strings.Repeat("ü", maxText), strings.Repeat("a ", 300): strings.TrimSpace(strings.Repeat("a ", maxText/2)),
	} {
		if got := clean(text); got != want {
			t.Errorf("%q is %q", text, got)
		}
	}
}

func TestEqualDNsAreEqualTexts(t *testing.T) {
	same := []string{"cn=Jo  Doe,dc=corp", "CN=jo doe, DC=Corp", `cn=Jo Doe,dc=\63orp`}
	for _, dn := range same {
		if foldDN(dn) != foldDN(same[0]) {
			t.Errorf("%q is %q", dn, foldDN(dn))
		}
	}
	for _, dn := range []string{"cn=Jo,cn=Doe,dc=corp", `cn=Jo Doe\,dc=corp`, "cn=Jo Doe+dc=corp", "nonsense", ""} {
		if foldDN(dn) == foldDN(same[0]) {
			t.Errorf("%q is taken for another", dn)
		}
	}
}

// Active Directory gives 1500 members at a time, and says which.
func TestRangesOfMembers(t *testing.T) {
	var all []string
	for i := range 4000 {
		all = append(all, fmt.Sprintf("cn=%d", i))
	}
	asked := 0
	serve := func(attribute string) (*ldap.Entry, error) {
		asked++
		from := 0
		if n, err := fmt.Sscanf(attribute, "member;range=%d-*", &from); attribute != "member" && (n != 1 || err != nil) {
			return nil, fmt.Errorf("it asks for %s", attribute)
		}
		to := min(from+1500, len(all))
		name := fmt.Sprintf("member;Range=%d-%d", from, to-1)
		if to == len(all) {
			name = fmt.Sprintf("member;range=%d-*", from)
		}
		return &ldap.Entry{Attributes: []*ldap.EntryAttribute{{Name: "member"}, {Name: name, Values: all[from:to]}}}, nil
	}
	first, err := serve("member")
	if err != nil {
		t.Fatal(err)
	}
	got, err := allValues(first, "member", serve)
	if err != nil || !slices.Equal(got, all) || asked != 3 {
		t.Errorf("%d members in %d answers, %v", len(got), asked, err)
	}
	if _, err := allValues(first, "member", func(string) (*ldap.Entry, error) { return &ldap.Entry{}, nil }); CodeOf(err) != Cut {
		t.Errorf("an answer without the next range: %v", err)
	}
	if _, err := allValues(first, "member", func(string) (*ldap.Entry, error) { return nil, errors.New("gone") }); err == nil {
		t.Error("no answer is taken for the last one")
	}
}

func TestPins(t *testing.T) {
	hex := strings.Repeat("ab", 32)
	for _, text := range []string{hex, strings.ToUpper(hex), strings.TrimSuffix(strings.Repeat("AB:", 32), ":"), "sha256 Fingerprint=" + strings.TrimSuffix(strings.Repeat("AB:", 32), ":"), " " + hex + "\n"} {
		if got, err := ParsePin(text); err != nil || got != hex {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "ab", hex + "ab", strings.Repeat("zz", 32)} {
		if _, err := ParsePin(text); err == nil {
			t.Errorf("%q is taken for one", text)
		}
	}
}

// What Active Directory says where it refuses a bind, and what an operator reads.
func TestWhyABindIsRefused(t *testing.T) {
	for data, want := range map[string]Code{
		"525": Wrong, "52e": Wrong, "530": Restricted, "531": Restricted, "532": PasswordOld, "533": Disabled, "701": Expired, "773": PasswordOld, "775": Locked, "fff": Wrong,
	} {
		err := bindError(ldap.NewError(ldap.LDAPResultInvalidCredentials, errors.New("80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data "+data+", v2580")))
		if CodeOf(err) != want {
			t.Errorf("data %s is %q", data, CodeOf(err))
		}
		if strings.Contains(err.Error(), "DSID") {
			t.Errorf("an operator reads %q", err)
		}
	}
	for code, want := range map[uint16]Code{
		ldap.LDAPResultStrongAuthRequired: NeedsTLS, ldap.LDAPResultConfidentialityRequired: NeedsTLS, ldap.ErrorEmptyPassword: EmptyWord,
		ldap.LDAPResultUnwillingToPerform: EmptyWord, ldap.ErrorNetwork: Unreachable, ldap.LDAPResultBusy: Refused, ldap.LDAPResultInvalidDNSyntax: Wrong,
	} {
		if err := bindError(ldap.NewError(code, errors.New("\x1b[31mno"))); CodeOf(err) != want || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("code %d is %v", code, err)
		}
	}
}
