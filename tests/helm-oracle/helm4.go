package main

import (
	"fmt"
	"io"

	"sort"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/registry"
)

type helm4 struct{ client *registry.Client }

func newHelm4() helm {
	client, err := registry.NewClient(registry.ClientOptPlainHTTP(), registry.ClientOptWriter(io.Discard))
	if err != nil {
		panic(err)
	}
	return helm4{client}
}

func (helm4) read(files map[string][]byte) (any, error) {
	var all []*archive.BufferedFile
	for name, data := range files {
		all = append(all, &archive.BufferedFile{Name: name, Data: data})
	}
	sort.Slice(all, func(a, b int) bool { return all[a].Name < all[b].Name })
	chart, err := loader.LoadFiles(all)
	if err != nil {
		return nil, err
	}
	return chart.Metadata, nil
}

func (helm4) load(path string) (any, error) {
	chart, err := loader.LoadFile(path)
	if err != nil {
		return nil, err
	}
	return chart.Metadata, nil
}

func (helm4) pack(dir, to, version, appVersion string) (string, error) {
	packing := action.NewPackage()
	packing.Destination, packing.Version, packing.AppVersion = to, version, appVersion
	return packing.Run(dir, nil)
}

// push does what the pusher of `helm push` does, with one client for all pushes.
func (helm helm4) push(path, to string) (string, string, error) {
	chart, err := loader.LoadFile(path)
	if err != nil {
		return "", "", err
	}
	content, options, err := pushed(path)
	if err != nil {
		return "", "", err
	}
	given := []registry.PushOption{registry.PushOptCreationTime(options.created.Format(time.RFC3339))}
	if options.provenance != nil {
		given = append(given, registry.PushOptProvData(options.provenance))
	}
	ref := fmt.Sprintf("%s/%s:%s", to, chart.Metadata.Name, chart.Metadata.Version)
	result, err := helm.client.Push(content, ref, given...)
	if err != nil {
		return "", "", err
	}
	return result.Manifest.Digest, result.Config.Digest, nil
}
