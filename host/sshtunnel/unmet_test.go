package sshtunnel_test

import (
	"errors"
	"testing"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
)

// Where nothing listens the port may be wrong: then the tunnel is to be corrected, and nothing at the server.
func TestAWrongPortIsCorrectedAtTheTunnel(t *testing.T) {
	var f *sshtunnel.Failure
	if err := connecting(t, config("127.0.0.1", freePort(t))); !errors.As(err, &f) || f.Diagnosis == nil || len(f.Diagnosis.Fixes) == 0 {
		t.Fatalf("no lines to paste: %v", err)
	}
	if line := f.Diagnosis.Fixes[0].Line; line != "culvert tunnel set OWNER/NAME --server root@127.0.0.1:22" {
		t.Errorf("the first line to paste is %s", line)
	}
}
