"""Dropreel: drop an image into a bucket, get a video back.

The core (jobs, options, images, videos, prices, events, answers) is pure; `adapters` hold one outside thing each;
`use_cases` are the steps; `settings` reads the environment once; `wiring` puts it all together.
"""
