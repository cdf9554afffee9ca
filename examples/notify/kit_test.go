package main

import (
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk"
)

// instance is one without a host.
func instance(t *testing.T) *sdk.Instance[settings] {
	return &sdk.Instance[settings]{Log: hclog.NewNullLogger(), Dir: t.TempDir()}
}
