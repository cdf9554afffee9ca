package tunnel

import (
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	slots := []Slot{{Name: "ldap", Title: "Directory"}, {Name: "bare"}}
	for _, c := range []struct {
		ref, mapping string
		change       func(*Tunnel)
		want         string
	}{
		{"operator/a", "reach x=1389:389", nil, "Only the PBX itself reaches port 389 of the SSH server site.example.org, through its own port 1389."},
		{"operator/a", "reach x=1389:localhost:389", nil, "Only the PBX itself reaches port 389 of the SSH server site.example.org, through its own port 1389."},
		{"operator/a", "reach x=1389:dc1.lan:389", nil, "Only the PBX itself reaches port 389 of dc1.lan behind the SSH server site.example.org, through its own port 1389."},
		{"operator/a", "reach x=1389:[2001:db8::7]:389", nil, "Only the PBX itself reaches port 389 of [2001:db8::7] behind the SSH server site.example.org, through its own port 1389."},
		{"adsync/a", "reach x=:dc1.lan:389", nil, "Only the module adsync reaches port 389 of dc1.lan behind the SSH server site.example.org, through a private socket and no port."},
		{"operator/a", "reach-gateway x=1389:389", nil, "The PBX and every host that can connect to it reach port 389 of the SSH server site.example.org, through port 1389 on every address of the PBX, so that third parties get access."},
		{"operator/a", "expose x=9100:19100", nil, "Only the SSH server itself reaches port 9100 of the PBX, through its own port 19100."},
		{"operator/a", "expose x=10.1.2.3:80:10080", nil, "Only the SSH server itself reaches port 80 of 10.1.2.3, a host that the PBX can connect to, through its own port 10080."},
		{"adsync/a", "expose x=:8080", nil, "Only the SSH server itself reaches the module adsync on the PBX, through its own port 8080."},
		{"operator/a", "expose-gateway x=22:2222", nil, "The SSH server and every host that can connect to it reach port 22 of the PBX, through port 2222 on every address of the SSH server, so that third parties get access."},
		{"adsync/a", "expose-gateway x=:8080", nil, "The SSH server and every host that can connect to it reach the module adsync on the PBX, through port 8080 on every address of the SSH server, so that third parties get access."},
		{"operator/a", "expose x=9100:9100", func(v *Tunnel) { v.AcceptWider = []string{"x"} },
			"The SSH server, and every host that can connect to it where it offers the port more widely, reach port 9100 of the PBX, through the SSH server's port 9100: the operator accepts that, though only the SSH server itself was to."},
		{"operator/a", "reach x=1:2", func(v *Tunnel) { v.Mappings[0].Lane = LaneBulk },
			"Only the PBX itself reaches port 2 of the SSH server site.example.org, through its own port 1, over the tunnel's second link, the one for bulk."},
		{"operator/a", "reach x=1:2", func(v *Tunnel) { v.Via = mustVia(t, "http://pbx@proxy.lan:3128") },
			"Only the PBX itself reaches port 2 of the SSH server site.example.org, through its own port 1, by way of the proxy http://pbx@proxy.lan:3128."},
		{"adsync/a", "reach x=:389", func(v *Tunnel) { v.Mappings[0].Slot = "ldap" },
			"Directory (slot ldap): Only the module adsync reaches port 389 of the SSH server site.example.org, through a private socket and no port."},
		{"adsync/a", "reach x=:389", func(v *Tunnel) { v.Mappings[0].Slot = "bare" },
			"Slot bare: Only the module adsync reaches port 389 of the SSH server site.example.org, through a private socket and no port."},
	} {
		v := sound(t, c.ref, c.mapping)
		if c.change != nil {
			c.change(&v)
		}
		if got := Explain(v, v.Mappings[0], slots); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.mapping, got, c.want)
		}
	}
}

func mustVia(t *testing.T, s string) Via {
	t.Helper()
	v, fs := ParseVia(s)
	if len(fs) > 0 {
		t.Fatal(fs)
	}
	return v
}

func TestExplainLink(t *testing.T) {
	v := sound(t, "operator/a")
	for _, c := range []struct {
		change func()
		want   string
	}{
		{func() {}, "The PBX connects to the SSH server site.example.org as user pbx, with the PBX's key."},
		{func() { v.Server.Port = 2222 }, "The PBX connects to the SSH server site.example.org at port 2222 as user pbx, with the PBX's key."},
		{func() { v.OwnKey = true }, "The PBX connects to the SSH server site.example.org at port 2222 as user pbx, with a key of the tunnel's own."},
		{func() { v.Login, v.Via = LoginPassword, mustVia(t, "socks5://proxy.lan:1080") },
			"The PBX connects to the SSH server site.example.org at port 2222 as user pbx, with a password, through the proxy socks5://proxy.lan:1080."},
	} {
		c.change()
		if got := ExplainLink(v); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// What a module says of its slot cannot drive the terminal of whoever reads the sentence.
func TestExplainIsClean(t *testing.T) {
	v := slotted(t, "ldap", "reach ldap=:389")
	if s := Explain(v, v.Mappings[0], []Slot{{Name: "ldap", Title: "\x1b[2J"}}); strings.ContainsFunc(s, unshowable) {
		t.Errorf("%q", s)
	}
}
