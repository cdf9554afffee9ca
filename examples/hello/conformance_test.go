package main

import (
	"testing"

	"github.com/culvert-pbx/culvert/sdk/sdktest"
)

func TestConformance(t *testing.T) { sdktest.Conformance(t, hello{}, sdktest.Strict()) }
