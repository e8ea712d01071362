#!/usr/bin/env node
// Lists the versions of a chart with the datasources of Renovate, and prints them as JSON:
//
//   versions.js HOST:PORT NAMESPACE CHART
//
// `helm` reads the chart repository, `docker` the tags of the OCI repository; both over plain HTTP.
'use strict';

const { getPkgReleases } = require('renovate/dist/modules/datasource/index.js');
const hostRules = require('renovate/dist/util/host-rules.js');

async function main([host, namespace, chart]) {
  hostRules.add({ matchHost: host, insecureRegistry: true });
  const lookups = {
    helm: { packageName: chart, registryUrls: [`http://${host}/${namespace}`], versioning: 'helm' },
    docker: { packageName: `${host}/${namespace}/${chart}`, versioning: 'semver' },
  };
  const found = {};
  for (const [datasource, lookup] of Object.entries(lookups)) {
    const releases = await getPkgReleases({ datasource, ...lookup });
    found[datasource] = releases && releases.releases.map(({ version, newDigest }) => ({ version, newDigest }));
  }
  console.log(JSON.stringify(found));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
