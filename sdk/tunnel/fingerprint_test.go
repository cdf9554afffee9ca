package tunnel

import (
	"strings"
	"testing"
)

func TestParseFingerprint(t *testing.T) {
	const (
		sha = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
		md5 = "MD5:19:5b:3f:4f:1c:eb:eb:59:ee:a4:28:9a:25:59:fe:db" // R18
	)
	for text, want := range map[string]string{
		sha: sha, sha + "=": sha, "sha256:" + sha[7:]: sha,
		md5: md5, md5[4:]: md5, strings.ToUpper(md5[4:]): md5, "md5:" + md5[4:]: md5, strings.ReplaceAll(md5[4:], ":", ""): md5,
	} {
		if got, fs := ParseFingerprint(text); got != want || len(fs) > 0 {
			t.Errorf("%q: got %q %v, want %q", text, got, fs, want)
		}
	}
	for _, text := range []string{
		"x", "SHA256:", "SHA256:short", sha + "A", sha[:len(sha)-1] + "V", sha[:20] + "\n" + sha[20:], "SHA256:" + md5[4:], sha[7:],
		md5[:len(md5)-1], md5 + ":00", "MD5:" + strings.Repeat("a:", 16), strings.Repeat("g", 32), "SHA1:" + strings.Repeat("A", 27),
		"256 " + sha + " root@h (ED25519)", " " + sha, sha + " ", sha + "==", "MD5:19-5b-3f-4f-1c-eb-eb-59-ee-a4-28-9a-25-59-fe-db",
		"MD5:" + strings.Repeat("a", 31) + ":", strings.Repeat("a", 1<<20),
	} {
		got, fs := ParseFingerprint(text)
		if got != "" {
			t.Errorf("%.60q: got %q", text, got)
		}
		expect(t, fs, strings.TrimSpace("malformed  "+Clean(text, shown)))
	}
	_, fs := ParseFingerprint("")
	expect(t, fs, "required")
}
