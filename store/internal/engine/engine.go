// Package engine holds what every implementation of store.Store needs and none
// should write twice: the draft of a change, and the recent changes for those who
// watch. Its users keep records and serialise commits.
package engine
