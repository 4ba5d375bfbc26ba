//go:build !probe

package server

import "vitae/sinks"

// probe is nothing in this program: see the build tag probe.
func probe() func(sinks.Point, sinks.Key) { return nil }

// probeWorkers is how many deliveries of a sink run at once; 0 is the sinks' own number.
const probeWorkers = 0
