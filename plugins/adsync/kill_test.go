package main

import "os"

const asSync = "ADSYNC_TEST_SYNC"

func syncOnce() int { _ = os.Args; return 1 }
