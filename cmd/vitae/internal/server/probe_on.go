//go:build probe

package server

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"vitae/sinks"
)

// This file is in no program but the one that fault tests build: a server that kills
// itself at a point of its deliveries. VITAE_PROBE says where, as "name=value" pairs with
// semicolons between them:
//
//	point  the point; see sinks.Point
//	arm    a file; before it exists nothing is counted and nobody waits. Its lines are
//	       "hold PROFILE ENTITY NTH": a lane whose entity begins so waits when it comes by
//	       for the nth time; "watch PROFILE ENTITY": it is only noted; "hold - - NTH": the
//	       point itself, where it is about no lane
//	idle   when nobody has come for so long, the process does not wait for the others
//	log    a file; a line for every lane that waits or is noted
//
// When all that are to wait are there, the process kills itself. The variable is taken
// out of the environment, where the configuration would refuse it.
var probeSpec = func() string {
	s := os.Getenv("VITAE_PROBE")
	if err := os.Unsetenv("VITAE_PROBE"); err != nil {
		panic(err)
	}
	return s
}()

// probeWorkers lets so many deliveries of a sink reach a point at once.
const probeWorkers = 256

// probed is a line of the file that arms the probe.
type probed struct {
	hold            bool
	profile, entity string
	nth, seen       int
}

type prober struct {
	point      sinks.Point
	idle       time.Duration
	arm, notes string

	mu      sync.Mutex
	armed   bool
	lines   []*probed
	missing int // lines that are to wait and do not
	timer   *time.Timer
}

// probe reads the variable; nil when it is not set.
func probe() func(sinks.Point, sinks.Key) {
	if probeSpec == "" {
		return nil
	}
	p := &prober{idle: time.Minute}
	for pair := range strings.SplitSeq(probeSpec, ";") {
		name, value, _ := strings.Cut(pair, "=")
		var err error
		switch name {
		case "point":
			p.point = sinks.Point(value)
		case "idle":
			p.idle, err = time.ParseDuration(value)
		case "arm":
			p.arm = value
		case "log":
			p.notes = value
		default:
			err = fmt.Errorf("there is no such name")
		}
		if err != nil {
			panic(fmt.Sprintf("VITAE_PROBE: %q: %v", name, err))
		}
	}
	return p.at
}

// at blocks for good where the process is about to die.
func (p *prober) at(point sinks.Point, lane sinks.Key) {
	if point != p.point {
		return
	}
	p.mu.Lock()
	if !p.ready() || !p.counts(lane) {
		p.mu.Unlock()
		return
	}
	if p.missing--; p.missing == 0 {
		probeDie()
	}
	p.timer.Reset(p.idle)
	p.mu.Unlock()
	select {}
}

// ready reads the file once it is there. It is put there whole.
func (p *prober) ready() bool {
	if p.armed {
		return true
	}
	b, err := os.ReadFile(p.arm)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		one := &probed{hold: f[0] == "hold", profile: f[1], entity: f[2]}
		if one.hold {
			if one.nth, err = strconv.Atoi(f[3]); err != nil {
				panic(err)
			}
			p.missing++
		}
		p.lines = append(p.lines, one)
	}
	p.armed, p.timer = true, time.AfterFunc(p.idle, probeDie)
	return true
}

// counts says whether a lane is to wait now.
func (p *prober) counts(lane sinks.Key) bool {
	profile := "-"
	if lane.Entity != "" {
		profile = lane.Profile.String()
	}
	for _, one := range p.lines {
		if one.profile != profile || lane.Entity != "" && !strings.HasPrefix(lane.Entity, one.entity) {
			continue
		}
		if one.seen++; !one.hold || one.seen == one.nth {
			p.note(profile)
		}
		return one.hold && one.seen == one.nth
	}
	return false
}

func (p *prober) note(profile string) {
	f, err := os.OpenFile(p.notes, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(f, profile)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		panic(err)
	}
}

func probeDie() {
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	select {}
}
