package sshtunnel

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// refused says why the server did not let us in.
func (l *login) refused(a advisor, err error) *Failure {
	f := &Failure{Reason: tunnel.LoginRefused, Err: err}
	who := tunnel.Clean(a.user, 80)
	offers := tunnel.Clean(l.takes(), 120)
	cause, fixes := tunnel.MethodRefused, l.allowMethod(a)
	switch {
	case l.partial:
		cause = tunnel.SecondFactor
		f.Message = fmt.Sprintf("the server took the %s of %s and wants a second proof of who it is (%s)", l.noun(), who, offers)
		f.Remedy = "exempt this user from the second factor at the server, or log in by key: culvert key show"
		fixes = []tunnel.Fix{
			a.configLine("Match User "+who, "above the first Match, else at the end"),
			a.configLine("AuthenticationMethods "+l.method(), "beneath that line"), a.reload(),
		}
	case l.asked != nil:
		cause = tunnel.SecondFactor
		f.Message = fmt.Sprintf("the server asked more of %s than a password", who)
		f.Remedy = "log in by key instead: culvert key show prints the line for ~/.ssh/authorized_keys there"
		f.Err = l.asked
		fixes = []tunnel.Fix{a.onPBX("tunnel set", "--key", "host"), a.wholeLine()}
	case l.sent == "keyboard-interactive" && strings.Contains(err.Error(), errNoQuestion):
		f.Message = fmt.Sprintf("the server offers to ask %s for a password, but refuses without asking", who)
		f.Remedy = "allow PasswordAuthentication in the server's sshd_config, or log in by key: culvert key show"
	case l.sent == "":
		f.Message = fmt.Sprintf("the server takes no login by %s (it takes: %s)", l.noun(), offers)
		f.Remedy = "use another way to log in, or allow this one in the server's sshd_config"
	case l.kind == tunnel.LoginPassword:
		cause, fixes = tunnel.PasswordRefused, l.passwordFixes(a)
		f.Message = fmt.Sprintf("the server refused the password of %s", who)
		f.Remedy = "check user and password, then give it again: culvert tunnel secret OWNER/NAME --password-stdin"
	default:
		cause, fixes = tunnel.KeyRefused, l.keyFixes(a)
		f.Message = fmt.Sprintf("the server refused the key %s for %s", ssh.FingerprintSHA256(l.signer.PublicKey()), who)
		f.Remedy = fmt.Sprintf("put the line into ~%s/.ssh/authorized_keys at the server that is shown by: %s", who, a.wholeLine().Line)
		if a.label == "" {
			f.Remedy = fmt.Sprintf("put this line into ~%s/.ssh/authorized_keys at the server: %s", who, authorizedLine(l.signer.PublicKey(), ""))
		}
	}
	f.Diagnosis = diagnosis(cause, append(l.evidence(), l.candidates(a, cause)...), fixes...)
	return f
}

// leftUnanswered says that the server hung up when it had the password. Appliances and those who lock others out answer a
// wrong password like that, and sending it every few seconds would only feed them. A server that was cut off by chance in
// this moment looks the same: then the tunnel waits longer than it must. A login by key never does, because keys that are
// shown again harm nothing.
func (l *login) leftUnanswered(a advisor, err error) *Failure {
	return &Failure{
		Reason:  tunnel.LoginRefused,
		Message: fmt.Sprintf("the server hung up when it was given the password of %s, without an answer", tunnel.Clean(a.user, 80)),
		Remedy: "check user and password, then give it again: culvert tunnel secret OWNER/NAME --password-stdin; " +
			"if they are right, the server's log says why (journalctl -u ssh)",
		Diagnosis: diagnosis(tunnel.PasswordRefused, append(l.evidence(), "then it hung up"), l.passwordFixes(a)...),
		Err:       err,
	}
}

// saysExpired reports whether the server said that the account, or its password, has expired. PAM says so to people, in
// what is meant to be shown before the login.
func (l *login) saysExpired() bool {
	said := strings.ToLower(string(l.banner))
	return strings.Contains(said, "expired") && (strings.Contains(said, "account") || strings.Contains(said, "password"))
}

// expired is the refusal of an account that the server knows.
func (l *login) expired(a advisor, err error) *Failure {
	who := tunnel.Clean(a.user, 80)
	f := &Failure{
		Reason:  tunnel.LoginRefused,
		Message: fmt.Sprintf("the account of %s at the server has expired", who),
		Remedy:  "renew it at the server: chage -E -1 " + word(who),
		Diagnosis: diagnosis(tunnel.AccountExpired, l.evidence(),
			tunnel.Fix{Where: inShell, Line: "chage -E -1 " + word(who)}, tunnel.Fix{Where: inShell, Line: "chage -l " + word(who)}),
		Err: err,
	}
	if isWindows(a.version) {
		renew := netUser(who, "/expires:never")
		f.Remedy = "renew it at the server: " + renew
		f.Diagnosis.Fixes = []tunnel.Fix{{Where: "PowerShell at the SSH server, as administrator", Line: renew}}
	}
	return f
}

// evidence is what was sent and said.
func (l *login) evidence() []string {
	var lines []string
	if l.sent != "" {
		lines = append(lines, "sent: "+l.sent)
	}
	if l.signer != nil {
		lines = append(lines, "the key: "+ssh.FingerprintSHA256(l.signer.PublicKey()))
	}
	if len(l.offered) > 0 {
		lines = append(lines, "the server takes: "+l.takes())
	}
	return append(lines, l.bannerEvidence()...)
}

// takes are the ways of logging in that the server has named.
func (l *login) takes() string { return l.mask.over(strings.Join(l.offered, ", ")) }

// bannerEvidence quotes the first lines that the server has for people.
func (l *login) bannerEvidence() []string {
	var lines []string
	for line := range strings.Lines(l.mask.over(string(l.banner))) {
		if line = strings.TrimSpace(line); line != "" && len(lines) < 3 {
			lines = append(lines, `the server said "`+tunnel.Clean(line, 150)+`"`)
		}
	}
	return lines
}

// candidates name what the server does not tell apart, on purpose.
func (l *login) candidates(a advisor, cause tunnel.Cause) []string {
	switch {
	case cause == tunnel.KeyRefused && tunnel.IsDropbear(a.version):
		return []string{
			"dropbear does not say which it is: no such user, the user's shell is not in /etc/shells, the key is not in the file,",
			"the file or its folders are writable by others, or the key's line has an option that dropbear does not know (permitlisten, expiry-time)",
		}
	case cause == tunnel.KeyRefused:
		return []string{
			"sshd does not say which it is: no such user, or one that may not log in (AllowUsers, PermitRootLogin, expired account),",
			"the key is not in the file, its line has expired (expiry-time) or is for other addresses (from), or the file or its folders are writable by others",
		}
	case cause == tunnel.PasswordRefused:
		return []string{
			"the server does not say which it is: another password, no such user, or one that may not log in with a password",
			"(expired or locked account, AllowUsers, for root PermitRootLogin prohibit-password)",
		}
	}
	return nil
}

// keyFixes let the key in.
func (l *login) keyFixes(a advisor) []tunnel.Fix {
	who := tunnel.Clean(a.user, 80)
	fixes := a.newKeyLines(authorizedLine(l.signer.PublicKey(), ""))
	if isWindows(a.version) {
		return append(fixes, tunnel.Fix{Where: "PowerShell at the SSH server, as administrator",
			Line: tunnel.CloseAdministratorsKeys}, a.log())
	}
	if word(who) == who {
		fixes = append(fixes, tunnel.Fix{Where: inShell, Line: fmt.Sprintf("chmod go-w ~%s ~%s/.ssh ~%s/.ssh/authorized_keys", who, who, who)})
	}
	if who == "root" {
		fixes = append(fixes, a.sshdConfig("PermitRootLogin prohibit-password"))
	}
	return append(fixes, a.account(who), a.log())
}

// passwordFixes let the password in.
func (l *login) passwordFixes(a advisor) []tunnel.Fix {
	who := tunnel.Clean(a.user, 80)
	fixes := []tunnel.Fix{a.onPBX("tunnel secret", "--password-stdin"), a.account(who)}
	if who == "root" {
		fixes = append(fixes, a.sshdConfig("PermitRootLogin yes"))
	}
	return append(fixes, a.log())
}

// account shows whether the user is there and may log in.
func (a advisor) account(who string) tunnel.Fix {
	if isWindows(a.version) {
		return tunnel.Fix{Where: "PowerShell at the SSH server", Line: netUser(who)}
	}
	return tunnel.Fix{Where: inShell, Line: fmt.Sprintf("getent passwd %s; chage -l %s", word(who), word(who))}
}

// word is s, which holds what a user's name may, as one word of a shell.
func word(s string) string {
	if strings.ContainsAny(s, ` \`) {
		return "'" + s + "'"
	}
	return s
}

// netUser is the command of Windows about an account, which may be one of a domain: DOMAIN\NAME or NAME@DOMAIN.
func netUser(who string, options ...string) string {
	name := who
	if i := strings.LastIndexByte(name, '\\'); i >= 0 {
		name = name[i+1:]
	}
	name, _, _ = strings.Cut(name, "@")
	line := append([]string{"net user", word(name)}, options...)
	if name != who {
		line = append(line, "/domain")
	}
	return strings.Join(line, " ")
}

// allowMethod has the server take the login's method.
func (l *login) allowMethod(a advisor) []tunnel.Fix {
	keyword := "PubkeyAuthentication yes"
	if l.kind == tunnel.LoginPassword {
		keyword = "PasswordAuthentication yes"
	}
	if tunnel.IsDropbear(a.version) {
		return []tunnel.Fix{dropbearWithout("sg")}
	}
	return []tunnel.Fix{a.sshdConfig(keyword), a.reload(), a.wholeLine()}
}

// method is what the login sends, as sshd_config calls it.
func (l *login) method() string {
	if l.kind == tunnel.LoginPassword {
		return "password"
	}
	return "publickey"
}
